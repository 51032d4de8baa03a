/** Gateways behind `ANTHROPIC_BASE_URL` that do what the Messages API never does, with the real CLI between. */
import { describe, expect, test } from '@jest/globals';
import type { HistoryMessage } from '../../protocol/server-frames.js';
import { type Step, scenario } from '../support/scripted-api.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();

const bash = (command: string, id?: unknown) => ({
  name: 'Bash',
  input: { command, description: 'x' },
  ...(id !== undefined && { id }),
});
const text = (words: string) => ({ kind: 'text' as const, text: words });
const raw = (block: object) => ({ kind: 'raw' as const, block });

async function run(client: WireClient, directory: string, ...steps: Step[]): Promise<Frame> {
  const from = client.frames.length;
  await client.request('streamStart', {
    prompt: scenario(...steps),
    workingDirectory: directory,
    options: { allowedTools: ['Bash'] },
  });
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

async function history(client: WireClient, sessionId: string | undefined) {
  const answer = await client.request('getMessageHistory', { sessionId: sessionId ?? '' });
  return (answer.data.messages as HistoryMessage[]).map(({ id, type, content }) => ({
    id,
    type,
    text: content.flatMap((block) => ('text' in block ? [block.text] : [])).join('|'),
  }));
}

/** All but the prompt, which tells the API what to say. */
const ofClaude = (client: WireClient): Frame[] => client.frames.filter(({ type }) => type !== 'humanMessage');

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
    const directory = world.daemon.project();
    const fields = { id };
    await run(client, directory, { fields, text: 'One.', tools: [bash('echo 1')] }, { fields, text: 'Two.' });
    const end = await run(client, directory, { fields, text: 'Three.' });
    expect(texts(client.events())).toEqual(['One.', 'Two.', 'Three.']);
    expect(assembled(client)).toEqual(['One.', 'Two.', 'Three.']);
    const messages = await history(client, end.sessionId);
    expect(messages.filter(({ type }) => type === 'assistant').map(({ text: said }) => said)).toEqual([
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
    const directory = world.daemon.project();
    const fields = { id: 'again' };
    await run(client, directory, { fields, text: 'First.' });
    const started = await client.request('streamStart', {
      prompt: scenario({ fields, text: 'A second answer.', chunk: 4, gateAfter: { deltas: 2, gate: 'again' } }),
      workingDirectory: directory,
    });
    await world.api.reached('again');
    const open = await client.waitFor(
      ({ type, data }) => type === 'streamData' && data.content.text.startsWith('A se'),
    );
    await world.daemon.restart('SIGKILL');
    const next = await world.connect();
    const { sessionId } = started.data;
    await next.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
    world.api.release('again');
    const said = await next.waitFor(
      ({ type, data }) => type === 'assistantMessage' && data.content[0]?.type === 'text',
    );
    expect(said.data).toMatchObject({ messageId: open.data.messageId, content: [{ text: 'A second answer.' }] });
    await next.waitFor('streamComplete');
    const messages = await history(next, sessionId);
    expect(messages.filter(({ type }) => type === 'assistant').map(({ text: words }) => words)).toEqual([
      'First.',
      'A second answer.',
    ]);
  });

  test('that repeat do not keep the transcript from being read, nor let anything be said twice', async () => {
    const client = await world.connect();
    const directory = world.daemon.project();
    const fields = { id: 'lost' };
    const end = await run(client, directory, { fields, text: 'Before.' }, { fields, text: 'no' });
    const { sessionId = '' } = end;
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
    await run(client, world.daemon.project(), ...steps, { text: 'Done.' });
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
      world.daemon.project(),
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
    await run(client, world.daemon.project(), { tools: [bash('echo a', null)] }, { text: 'Done.' });
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
    await run(client, world.daemon.project(), { blocks });
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
    await run(client, world.daemon.project(), { blocks });
    const events = client.events().filter(({ type }) => type === 'assistantMessage');
    expect(texts(events)).toEqual(['Before.', 'After.', 'Last.']);
    expect(events.some(({ data }) => data.partial)).toBe(false);
    expect(events.map(({ data }) => data.blockIndex)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(client.frames.some(({ type, data }) => type === 'progress' && data.stage === 'warning')).toBe(false);
  });

  test('with half of a character reach clients that take no halves', async () => {
    const client = await world.connect();
    await run(client, world.daemon.project(), { blocks: [text('a\ud83d'), text('\udc4d b')] });
    expect(texts(client.events())).toEqual(['a\ufffd', '\ufffd b']);
    expect(JSON.stringify(ofClaude(client))).not.toMatch(/\\ud[89a-f]/);
  });
});

describe('numbers and names', () => {
  test('usage that counts nothing is left out, and names are plain', async () => {
    const client = await world.connect();
    const usage = { input_tokens: -5, output_tokens: '7', cache_read_input_tokens: null, service_tier: 'a\u001b[31mb' };
    await run(client, world.daemon.project(), { text: 'Hi.', fields: { usage, model: 'evil\u001b[31m\u202emodel' } });
    const said = client.events().find(({ type }) => type === 'assistantMessage');
    expect(said?.data).toMatchObject({ usage: { service_tier: 'ab' }, model: 'evilmodel\ufffd' });
    const end = client.events().find(({ type }) => type === 'streamComplete');
    expect(end?.data.usage).not.toHaveProperty('output_tokens');
    expect(JSON.stringify(ofClaude(client))).not.toContain('\\u001b');
  });
});
