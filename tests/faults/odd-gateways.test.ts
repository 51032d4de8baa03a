/** Gateways behind `ANTHROPIC_BASE_URL` that do what the Messages API never does, with the real CLI between. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { sessionViewSchema } from '../../protocol/rest.js';
import type { HistoryMessage } from '../../protocol/server-frames.js';
import { withSum } from '../../services/record/sqlite/row-sums.js';
import { openDatabase } from '../../services/record/sqlite/schema.js';
import { usePushWorld } from '../support/push-world.js';
import { type Step, scenario } from '../support/scripted-api.js';
import { useSharedSession } from '../support/shared-session.js';
import type { Frame, WireClient } from '../support/wire-client.js';

const world = usePushWorld();
const openShared = useSharedSession(world, { allowedTools: ['Bash'] });
const openAsking = useSharedSession(world);

const bash = (command: string, id?: unknown) => ({
  name: 'Bash',
  input: { command, description: 'x' },
  ...(id !== undefined && { id }),
});
const text = (words: string) => ({ kind: 'text' as const, text: words });
const raw = (block: object) => ({ kind: 'raw' as const, block });

async function run(client: WireClient, directory: string, ...steps: Step[]): Promise<Frame> {
  const from = client.frames.length;
  await client.request('streamStart', { prompt: scenario(...steps), workingDirectory: directory });
  return client.waitFor('streamComplete', from);
}

const texts = (frames: Frame[]): string[] =>
  frames.flatMap(({ type, data }) =>
    type === 'assistantMessage' && data.content[0]?.type === 'text' ? [data.content[0].text ?? ''] : [],
  );

/** What a client has that keeps text by message and block. */
function assembled(client: WireClient): string[] {
  const blocks = new Map<string, string>();
  for (const { type, data } of client.frames) {
    if (type !== 'streamData' || data.streamType !== 'assistant_message') continue;
    const key = JSON.stringify([data.messageId, data.blockIndex]);
    const known = blocks.get(key) ?? '';
    expect(data.offset).toBe(known.length);
    blocks.set(key, known + data.content.text);
  }
  return [...blocks.values()].filter((words) => words.trim() !== '');
}

async function history(client: WireClient, sessionId: string, offset: number) {
  const answer = await client.request('getMessageHistory', { sessionId, offset });
  return (answer.data.messages as HistoryMessage[]).map(({ id, type, content }) => ({
    id,
    type,
    text: content.flatMap((block) => ('text' in block ? [block.text] : [])).join('|'),
  }));
}

/** The session that the tests share; `said` is what has been said there from now on. */
async function open(client: WireClient) {
  const { sessionId, directory } = await openShared(client);
  const view = await (await world.daemon.fetch(`/api/sessions/${sessionId}`)).json();
  const { messageCount } = sessionViewSchema.parse(view);
  return { sessionId, directory, said: (by = client) => history(by, sessionId, messageCount) };
}

/** All but the prompt, also in the queue, which tells the API what to say. */
const ofClaude = (client: WireClient): Frame[] =>
  client.frames
    .filter(({ type }) => type !== 'humanMessage')
    .map((frame) => ({ ...frame, data: { ...frame.data, queue: undefined } }));

const ids = (client: WireClient): string[] =>
  client.events().flatMap(({ type, data }) => (type === 'assistantMessage' ? [data.messageId] : []));

describe('message ids', () => {
  test.each([
    ['the same one for all', 'same'],
    ['empty ones', ''],
    ['null', null],
    ['numbers', 7],
    ['control characters', 'a\u001b[31m\n'],
  ])('%s: every answer is there, once, in its place, under an id of its own', async (_, id) => {
    const client = await world.connect();
    const { directory, said } = await open(client);
    const fields = { id };
    await run(client, directory, { fields, text: 'One.', tools: [bash('echo 1')] }, { fields, text: 'Two.' });
    await run(client, directory, { fields, text: 'Three.' });
    expect(texts(client.events())).toEqual(['One.', 'Two.', 'Three.']);
    expect(assembled(client)).toEqual(['One.', 'Two.', 'Three.']);
    const messages = await said();
    expect(messages.filter(({ type }) => type === 'assistant').map(({ text: words }) => words)).toEqual([
      'One.',
      'Two.',
      'Three.',
    ]);
    expect(messages.map(({ type }) => type)).toEqual(['user', 'assistant', 'assistant', 'user', 'assistant']);
    expect(new Set(ids(client)).size).toBe(3);
    for (const name of ids(client)) expect(name).toMatch(/^[\w~]+$/);
  });

  test('are the same when the next daemon reads the message again', async () => {
    const client = await world.connect();
    const { sessionId, directory, said } = await open(client);
    const fields = { id: 'again' };
    await run(client, directory, { fields, text: 'First.' });
    await client.request('streamStart', {
      prompt: scenario({ fields, text: 'A second answer.', chunk: 4, gateAfter: { deltas: 2, gate: 'again' } }),
      workingDirectory: directory,
    });
    await world.api.reached('again');
    const begun = await client.waitFor(
      ({ type, data }) => type === 'streamData' && data.content.text.startsWith('A se'),
    );
    await world.daemon.restart('SIGKILL');
    const next = await world.connect();
    await next.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
    world.api.release('again');
    const whole = await next.waitFor(
      ({ type, data }) => type === 'assistantMessage' && data.content[0]?.type === 'text',
    );
    expect(whole.data).toMatchObject({ messageId: begun.data.messageId, content: [{ text: 'A second answer.' }] });
    await next.waitFor('streamComplete');
    const messages = await said(next);
    expect(messages.filter(({ type }) => type === 'assistant').map(({ text: words }) => words)).toEqual([
      'First.',
      'A second answer.',
    ]);
  });

  test('that repeat do not keep the transcript from being read, nor let anything be said twice', async () => {
    const client = await world.connect();
    const { sessionId, directory } = await open(client);
    const fields = { id: 'lost' };
    await run(client, directory, { fields, text: 'Before.' }, { fields, text: 'no' });
    const pid = world.daemon.sessionProcesses(sessionId);
    expect(pid.length).toBeGreaterThan(0);
    const [, second] = [
      await run(client, directory, { fields, text: 'Same.' }),
      await run(client, directory, { fields, text: 'Same.' }),
    ];
    expect(second.data.isError).toBe(false);
    for (const one of world.daemon.sessionProcesses(sessionId)) process.kill(one, 'SIGKILL');
    await client.waitFor('error');
    const after = await run(client, directory, { fields, text: 'After.' });
    expect(after.data).toMatchObject({ isError: false, finalResult: 'After.' });
    expect(texts(client.events())).toEqual(['Before.', 'Same.', 'Same.', 'After.']);
  });
});

describe('tool ids', () => {
  test.each([
    ['the same in each answer', 'Bash:0'],
    ['a real one that repeats', 'toolu_01A09q90qw90lq917835lq9'],
  ])('%s: each use has an id of its own, and its result names it', async (_, id) => {
    const client = await world.connect();
    const steps = [1, 2, 3].map((number) => ({ tools: [bash(`echo ${number}`, id)] }));
    await run(client, (await open(client)).directory, ...steps, { text: 'Done.' });
    const pairs = pairsOf(client);
    expect(pairs.map(({ command, result }) => [command, result])).toEqual([
      ['echo 1', '1'],
      ['echo 2', '2'],
      ['echo 3', '3'],
    ]);
    const used = client.events().flatMap(({ type, data }) => (type === 'toolUse' ? [data.toolId] : []));
    const shown = client
      .events()
      .flatMap(({ type, data }) =>
        type === 'assistantMessage' && 'id' in (data.content[0] ?? {}) ? [data.content[0]] : [],
      );
    expect(shown.map((block) => block && 'id' in block && block.id)).toEqual(used);
    expect(new Set(used).size).toBe(3);
  });

  test('that repeat within one answer are told apart', async () => {
    const client = await world.connect();
    await run(
      client,
      (await open(client)).directory,
      // What only reads would run side by side, and nothing but the id says whose a result is.
      { tools: [bash('touch a && echo a', 'Bash:0'), bash('touch b && echo b', 'Bash:0')] },
      { text: 'Done.' },
    );
    expect(pairsOf(client).map(({ command, result }) => [command, result])).toEqual([
      ['touch a && echo a', 'a'],
      ['touch b && echo b', 'b'],
    ]);
  });

  test('that are missing cost neither the use nor the result', async () => {
    const client = await world.connect();
    await run(client, (await open(client)).directory, { tools: [bash('echo a', null)] }, { text: 'Done.' });
    const [use] = client.events().filter(({ type }) => type === 'toolUse');
    const [result] = client.events().filter(({ type }) => type === 'toolResult');
    expect(use?.data).toMatchObject({ toolName: 'Bash', toolId: expect.stringMatching(/./) });
    expect(result?.data).toMatchObject({ toolName: 'Bash', toolId: use?.data.toolId });
  });
});

function pairsOf(client: WireClient) {
  const results = client.events().filter(({ type }) => type === 'toolResult');
  return client.events().flatMap(({ type, data }) =>
    type === 'toolUse'
      ? [
          {
            command: (data.toolInput as { command: string }).command,
            result: results.find((one) => one.data.toolId === data.toolId)?.data.result,
          },
        ]
      : [],
  );
}

describe('blocks', () => {
  test('that are empty or blank leave nothing behind, and what follows stands once', async () => {
    const client = await world.connect();
    const blocks = [text(''), text('   '), text('One.'), text(''), text('One.'), text('Two.'), text('\n')];
    await run(client, (await open(client)).directory, { blocks });
    const events = client.events().filter(({ type }) => type === 'assistantMessage');
    expect(texts(events)).toEqual(['One.', 'One.', 'Two.']);
    expect(events.some(({ data }) => data.partial)).toBe(false);
    expect(events.map(({ data }) => data.blockIndex)).toEqual([2, 4, 5]);
    expect(assembled(client)).toEqual(['One.', 'One.', 'Two.']);
  });

  test('of tools of the API whose result is an object leave what follows in its place', async () => {
    const client = await world.connect();
    const use = (id: string) => raw({ type: 'server_tool_use', id, name: 'web_fetch', input: { url: 'x' } });
    const found = {
      type: 'web_fetch_result',
      url: 'x',
      content: { type: 'document', source: { type: 'text', data: 'hi' } },
    };
    const failed = { type: 'web_search_tool_result_error', error_code: 'unavailable' };
    const blocks = [
      text('Before.'),
      use('srvtoolu_1'),
      raw({ type: 'web_fetch_tool_result', tool_use_id: 'srvtoolu_1', content: found }),
      text('After.'),
      use('srvtoolu_2'),
      raw({ type: 'web_search_tool_result', tool_use_id: 'srvtoolu_2', content: failed }),
      raw({ type: 'of_the_future', payload: [1] }),
      text('Last.'),
    ];
    await run(client, (await open(client)).directory, { blocks });
    const events = client.events().filter(({ type }) => type === 'assistantMessage');
    expect(texts(events)).toEqual(['Before.', 'After.', 'Last.']);
    expect(events.some(({ data }) => data.partial)).toBe(false);
    expect(events.map(({ data }) => data.blockIndex)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(client.frames.some(({ type, data }) => type === 'progress' && data.stage === 'warning')).toBe(false);
  });

  test('with half of a character reach clients that take no halves', async () => {
    const client = await world.connect();
    await run(client, (await open(client)).directory, { blocks: [text('a\ud83d'), text('\udc4d b')] });
    expect(texts(client.events())).toEqual(['a\ufffd', '\ufffd b']);
    expect(JSON.stringify(ofClaude(client))).not.toMatch(/\\ud[89a-f]/);
  });
});

describe('numbers and names', () => {
  test('usage that counts nothing is left out, and names are plain', async () => {
    const client = await world.connect();
    const usage = { input_tokens: -5, output_tokens: '7', cache_read_input_tokens: null, service_tier: 'a\u001b[31mb' };
    await run(client, (await open(client)).directory, {
      text: 'Hi.',
      fields: { usage, model: 'evil\u001b[31m\u202emodel' },
    });
    const said = client.events().find(({ type }) => type === 'assistantMessage');
    expect(said?.data).toMatchObject({ usage: { service_tier: 'ab' }, model: 'evilmodel\ufffd' });
    const end = client.events().find(({ type }) => type === 'streamComplete');
    expect(end?.data.usage).not.toHaveProperty('output_tokens');
    expect(JSON.stringify(ofClaude(client))).not.toContain('\\u001b');
  });
});

/** As such a gateway names the first tool call of each of its answers. */
const REPEATED = 'Bash:0';
const repeated = (command: string) => bash(command, REPEATED);

async function asked(client: WireClient, sessionId: string, except: string[] = []) {
  const { data } = await client.waitFor(
    (frame) =>
      frame.type === 'permissionRequest' &&
      frame.data.sessionId === sessionId &&
      !except.includes(frame.data.permissionId),
  );
  return data;
}

const answerByRest = (sessionId: string, permissionId: string, body: object) =>
  world.send('POST', `/api/sessions/${sessionId}/permissions/${encodeURIComponent(permissionId)}`, body);

/** The token of the push about the session's first request. */
async function pushedAnswer(deviceId: string) {
  await world.pushed(deviceId);
  const allow = world.messages(deviceId)[0]?.actions?.find(({ label }) => label === 'Allow');
  return { path: new URL(allow?.url ?? '').pathname, body: JSON.parse(allow?.body ?? '{}') as object };
}

describe('permission requests have an id of the daemon’s own', () => {
  test('I2: where tool ids repeat, an answer to the first request never decides the second, over any way and after a restart', async () => {
    const phone = await world.register('phone-ids');
    const { directory: workingDirectory } = await openAsking(phone);
    const begun = await phone.request('streamStart', {
      prompt: scenario({ tools: [repeated('touch first')] }, { tools: [repeated('touch second')] }, { text: 'Both.' }),
      workingDirectory,
    });
    const { sessionId } = begun.data;
    await phone.waitFor('permissionRequest');
    await phone.close();
    const late = await pushedAnswer('phone-ids');

    const desk = await world.connect({ deviceId: 'desk-ids' });
    await desk.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
    const first = await asked(desk, sessionId);
    expect(first).toMatchObject({ toolId: REPEATED });
    expect(first.permissionId).not.toContain(REPEATED);
    const denied = { sessionId, permissionId: first.permissionId, response: 'deny', remember: false };
    expect((await desk.request('permission', denied)).type).toBe('permissionAccepted');
    const second = await asked(desk, sessionId, [first.permissionId]);
    expect(second).toMatchObject({ toolId: expect.stringMatching(/^Bash:0/), toolInput: { command: 'touch second' } });

    const refuseLate = async (client: WireClient) => {
      const answer = { sessionId, permissionId: first.permissionId, response: 'allow', remember: false };
      expect((await client.request('permission', answer)).data).toMatchObject({ code: 'ALREADY_RESOLVED' });
      const byRest = await answerByRest(sessionId, first.permissionId, { response: 'allow' });
      expect([byRest.status, await byRest.json()]).toMatchObject([409, { error: { code: 'ALREADY_RESOLVED' } }]);
      expect((await answerByRest(sessionId, REPEATED, { response: 'allow' })).status).toBe(404);
      const decided = client.events(sessionId).filter(({ type }) => type === 'permissionResolved');
      expect(decided.filter(({ data }) => data.permissionId === second.permissionId)).toEqual([]);
    };
    await refuseLate(desk);
    const byToken = await world.send('POST', late.path, late.body);
    expect([byToken.status, await byToken.json()]).toMatchObject([409, { error: { code: 'ALREADY_RESOLVED' } }]);

    await world.daemon.restart('SIGKILL');
    const back = await world.connect({ deviceId: 'other-ids' });
    await back.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
    expect((await asked(back, sessionId, [first.permissionId])).permissionId).toBe(second.permissionId);
    await refuseLate(back);
    expect((await world.send('POST', late.path, late.body)).status).toBeGreaterThanOrEqual(400);
    expect([existsSync(join(workingDirectory, 'first')), existsSync(join(workingDirectory, 'second'))]).toEqual([
      false,
      false,
    ]);
    const byRest = await answerByRest(sessionId, second.permissionId, { response: 'allow' });
    expect(await byRest.json()).toMatchObject({ success: true, permissionId: second.permissionId, decision: 'allow' });
    await back.waitFor(({ type, data }) => type === 'streamComplete' && data.finalResult === 'Both.');
    expect(existsSync(join(workingDirectory, 'second'))).toBe(true);
    await back.close();
  });

  test('I2: a request that was recorded under the id of its tool call is answered by that id', async () => {
    const client = await world.connect({ deviceId: 'old-ids' });
    const { directory: workingDirectory } = await openAsking(client);
    const begun = await client.request('streamStart', {
      prompt: scenario({ tools: [repeated('touch old')] }, { tools: [repeated('touch new')] }, { text: 'Old.' }),
      workingDirectory,
    });
    const { sessionId } = begun.data;
    const { permissionId } = await asked(client, sessionId);
    await world.daemon.kill('SIGKILL');
    renamePermission(sessionId, permissionId, REPEATED);
    await world.daemon.start();
    const back = await world.connect({ deviceId: 'old-ids-2' });
    await back.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
    const old = await back.waitFor(({ type, data }) => type === 'permissionRequest' && data.permissionId === REPEATED);
    expect(old.data.toolInput).toMatchObject({ command: 'touch old' });
    const answer = { sessionId, permissionId: REPEATED, response: 'allow', remember: false };
    expect((await back.request('permission', answer)).type).toBe('permissionAccepted');
    const next = await asked(back, sessionId, [REPEATED, permissionId]);
    expect(next).toMatchObject({ toolId: expect.stringMatching(/^Bash:0/), toolInput: { command: 'touch new' } });
    expect((await back.request('permission', answer)).data).toMatchObject({ code: 'ALREADY_RESOLVED' });
    await back.request('permission', { ...answer, permissionId: next.permissionId });
    await back.waitFor(({ type, data }) => type === 'streamComplete' && data.finalResult === 'Old.');
    await back.close();
  });
});

/** As a daemon before this one would have recorded it. */
function renamePermission(sessionId: string, from: string, to: string): void {
  const database = openDatabase(join(world.daemon.home, 'journal.db'));
  const row = database
    .prepare('SELECT * FROM permissions WHERE session_id = ? AND permission_id = ?')
    .get(sessionId, from);
  const { permission_id, sum } = withSum('permissions', { ...(row as { ask: string }), permission_id: to });
  database
    .prepare('UPDATE permissions SET permission_id = ?, sum = ? WHERE session_id = ? AND permission_id = ?')
    .run(permission_id, sum, sessionId, from);
  database.close();
}
