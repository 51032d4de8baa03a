/** What MCP servers ask the person, through the real CLI. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { waitingSchema } from '../../protocol/waiting.js';
import { type HttpMcpServer, startHttpMcpServer } from '../support/http-mcp-server.js';
import { usePushWorld } from '../support/push-world.js';
import { scenario } from '../support/scripted-api.js';
import { useSharedDirectory } from '../support/shared-directory.js';
import { type ConnectOptions, connect, type Frame, type WireClient } from '../support/wire-client.js';

const world = usePushWorld();
const sharedDirectory = useSharedDirectory(world);
let pages: HttpMcpServer;

beforeAll(async () => {
  pages = await startHttpMcpServer();
  const forms = {
    type: 'stdio',
    command: process.execPath,
    args: [join(import.meta.dirname, '../support/eliciting-server.mjs')],
  };
  const servers = { forms, pages: { type: 'http', url: pages.url } };
  const home = world.daemon.environment.HOME ?? '';
  writeFileSync(join(home, '.claude.json'), JSON.stringify({ mcpServers: servers }));
});
afterAll(() => pages.close());

const schema = {
  type: 'object',
  properties: {
    name: { type: 'string', title: 'Name', minLength: 2, maxLength: 8 },
    age: { type: 'integer', minimum: 0, maximum: 150 },
    height: { type: 'number' },
    isNew: { type: 'boolean' },
    mail: { type: 'string', format: 'email' },
    born: { type: 'string', format: 'date' },
    page: { type: 'string', format: 'uri' },
    colour: { type: 'string', enum: ['red', 'blue'], enumNames: ['Red', 'Blue'] },
    size: { type: 'string', oneOf: [{ const: 's', title: 'Small' }] },
    tags: { type: 'array', items: { type: 'string', enum: ['a', 'b', 'c'] }, minItems: 1, maxItems: 2 },
    kinds: { type: 'array', items: { anyOf: [{ const: 'x', title: 'X' }] } },
  },
  required: ['name'],
};
const form = { message: 'Who are you?', requestedSchema: schema };
const page = { mode: 'url', message: 'Log in there.', url: 'https://login.example/start', elicitationId: 'e1' };

const options = { allowedTools: ['mcp__forms__ask', 'mcp__pages__ask'] };
let triggers = 0;

/** Begins a turn in which the server elicits. `deed` is done as soon as `trigger` is called. */
async function elicit(client: WireClient, params: object[], deed?: string) {
  // 2.1.197 asks nobody after its server has died once.
  const directory = deed === 'exit' ? world.daemon.project() : await sharedDirectory();
  triggers += 1;
  const at = join(directory, `now-${triggers}`);
  const input = { params, ...(deed !== undefined && { deed, at }) };
  const started = await client.request('streamStart', {
    prompt: scenario({ tools: [{ name: 'mcp__forms__ask', input }] }, { text: 'Done.' }),
    workingDirectory: directory,
    options,
  });
  return { sessionId: started.data.sessionId, trigger: () => writeFileSync(at, '') };
}

const clients: WireClient[] = [];

async function opened(options: ConnectOptions = {}): Promise<WireClient> {
  const client = await connect(world.daemon, options);
  clients.push(client);
  return client;
}

// Nobody is pushed to while a device of another test is there.
afterEach(() => {
  for (const client of clients.splice(0)) client.terminate();
});

const asked = (client: WireClient, sessionId: string) =>
  client.waitFor((frame) => frame.type === 'permissionRequest' && frame.data.sessionId === sessionId);
const ofSession = (client: WireClient, type: string, sessionId: string, from = 0) =>
  client.waitFor((frame) => frame.type === type && (frame.sessionId ?? frame.data.sessionId) === sessionId, from);
const heardBy = (result: Frame) => String(result.data.result);

/** 2.1.197 refuses the mode `url` by itself and asks nobody. */
const isUnknownHere = async (client: WireClient, sessionId: string) => {
  const first = await client.waitFor(
    ({ type, data }) => ['permissionRequest', 'streamComplete'].includes(type) && data.sessionId === sessionId,
  );
  return first.type === 'streamComplete';
};

const versionOf = async (client: WireClient) => (await client.waitFor('welcome')).data.claudeCodeVersion;

async function declineLate(client: WireClient, sessionId: string): Promise<void> {
  expect((await ofSession(client, 'streamComplete', sessionId)).data.finalResult).toBe('Done.');
  const answer = await client.request('permission', { sessionId, response: 'deny', remember: false });
  expect(answer.data).toMatchObject({ decision: 'deny' });
}

describe('a form of an MCP server', () => {
  test('is shown with its schema and order, and its values reach the server in their types', async () => {
    const client = await opened();
    const { sessionId } = await elicit(client, [form]);
    const { data } = await asked(client, sessionId);
    expect(data).toMatchObject({
      kind: 'elicitation',
      toolName: 'elicitation',
      mcpServer: 'forms',
      prompt: 'forms asks: Who are you?',
      options: ['allow', 'deny'],
      default: 'deny',
      oneTap: false,
      canRemember: false,
      toolInput: { message: 'Who are you?', mode: 'form', schema, order: Object.keys(schema.properties) },
    });
    const answers = {
      name: 'Ada 👍🏽',
      age: 36,
      height: 1.65,
      isNew: false,
      mail: 'ada@example.org',
      born: '1815-12-10',
      page: 'https://example.org/ada',
      colour: 'blue',
      size: 's',
      tags: ['a', 'c'],
      kinds: [],
    };
    const { permissionId } = data;
    const done = await client.request('permission', {
      sessionId,
      permissionId,
      response: 'allow',
      remember: false,
      answers,
    });
    expect(done).toMatchObject({ type: 'permissionAccepted', data: { decision: 'allow' } });
    const result = await ofSession(client, 'toolResult', sessionId);
    const [, heard = ''] = /^answer: (.*)$/.exec(heardBy(result)) ?? [];
    expect(JSON.parse(heard)).toEqual({ action: 'accept', content: answers });
    expect((await ofSession(client, 'streamComplete', sessionId)).data).toMatchObject({ finalResult: 'Done.' });
  });

  test('is not filled by values that do not fit: each is named, over both ways, and the request stays open', async () => {
    const client = await opened();
    const { sessionId } = await elicit(client, [form]);
    const { permissionId } = (await asked(client, sessionId)).data;
    const path = `/api/sessions/${sessionId}/permissions/${permissionId}`;
    const wrong: [Record<string, unknown>, string][] = [
      [{}, 'answers.name'],
      [{ age: 3 }, 'answers.name'],
      [{ name: 'A' }, 'answers.name'],
      [{ name: 'A'.repeat(9) }, 'answers.name'],
      [{ name: 5 }, 'answers.name'],
      [{ name: null }, 'answers.name'],
      [{ name: { first: 'Ada' } }, 'answers.name'],
      [{ name: 'Ada', age: '36' }, 'answers.age'],
      [{ name: 'Ada', age: 1.5 }, 'answers.age'],
      [{ name: 'Ada', age: -1 }, 'answers.age'],
      [{ name: 'Ada', age: 151 }, 'answers.age'],
      [{ name: 'Ada', height: true }, 'answers.height'],
      [{ name: 'Ada', isNew: 'yes' }, 'answers.isNew'],
      [{ name: 'Ada', mail: 'ada' }, 'answers.mail'],
      [{ name: 'Ada', born: '1815-13-10' }, 'answers.born'],
      [{ name: 'Ada', page: 'nowhere' }, 'answers.page'],
      [{ name: 'Ada', colour: 'Blue' }, 'answers.colour'],
      [{ name: 'Ada', size: ['s'] }, 'answers.size'],
      [{ name: 'Ada', tags: 'a' }, 'answers.tags'],
      [{ name: 'Ada', tags: [] }, 'answers.tags'],
      [{ name: 'Ada', tags: ['a', 'a'] }, 'answers.tags'],
      [{ name: 'Ada', tags: ['a', 'b', 'c'] }, 'answers.tags'],
      [{ name: 'Ada', kinds: ['y'] }, 'answers.kinds'],
      [{ name: 'Ada', constructor: 'x' }, 'answers.constructor'],
      [{ name: 'Ada', other: 'x' }, 'answers.other'],
    ];
    for (const [answers, field] of wrong) {
      const body = { response: 'allow', remember: false, answers } as never;
      const refused = await client.request('permission', { sessionId, permissionId, ...(body as object) } as never);
      expect(refused).toMatchObject({ type: 'error', data: { code: 'INVALID_REQUEST', details: { field } } });
      const overRest = await world.send('POST', path, body);
      expect(overRest.status).toBe(400);
      expect(await overRest.json()).toMatchObject({ error: { details: { field } } });
    }
    for (const [others, field] of [
      [{ response: 'always', remember: false }, 'response'],
      [{ response: 'allow', remember: true }, 'remember'],
      [{ response: 'perhaps', remember: false }, 'response'],
      [{ response: 'allow', remember: false, updatedInput: { name: 'Ada' } }, 'updatedInput'],
    ] as const) {
      const refused = await client.request('permission', {
        sessionId,
        permissionId,
        ...others,
        answers: { name: 'Ada' },
      });
      expect(refused.data).toMatchObject({ code: 'INVALID_REQUEST', details: { field } });
    }
    const done = await world.send('POST', path, { response: 'y', answers: { name: 'Ada' } });
    expect(done.status).toBe(200);
    expect(heardBy(await ofSession(client, 'toolResult', sessionId))).toBe(
      'answer: {"action":"accept","content":{"name":"Ada"}}',
    );
  });

  test('is declined by a denial, and a prompt sent meanwhile runs afterwards', async () => {
    const client = await opened();
    const { sessionId } = await elicit(client, [form]);
    await asked(client, sessionId);
    const second = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Second.' }) });
    await client.request('permission', { sessionId, response: 'no', remember: false });
    expect(heardBy(await ofSession(client, 'toolResult', sessionId))).toBe('answer: {"action":"decline"}');
    const end = await client.waitFor(
      ({ type, data }) => type === 'streamComplete' && data.promptId === second.data.promptId,
    );
    expect(end.data.finalResult).toBe('Second.');
  });

  test('H2: can be one of twenty: each is answered by its own id, in any order, by two daemons', async () => {
    const before = await opened({ deviceId: 'twenty' });
    const numbers = Array.from({ length: 20 }, (_, index) => index);
    const forms = numbers.map((number) => ({ ...form, message: `Number ${number}?` }));
    const { sessionId } = await elicit(before, forms);
    const requestsTo = (client: WireClient) =>
      client.frames.flatMap(({ type, data }) =>
        type === 'permissionRequest' && data.sessionId === sessionId ? [data] : [],
      );
    const answer = async (client: WireClient, { permissionId, prompt }: Frame['data']) => {
      const answers = { name: String(prompt).replace(/\D/g, '').padStart(2, '0') };
      const meant = { sessionId, permissionId, response: 'allow', remember: false, answers } as const;
      expect((await client.request('permission', meant)).type).toBe('permissionAccepted');
    };
    await before.waitFor(() => requestsTo(before).length === numbers.length);
    const shuffled = requestsTo(before)
      .map((request) => ({ request, at: Math.random() }))
      .sort((a, b) => a.at - b.at)
      .map(({ request }) => request);
    const [first, rest] = [shuffled.slice(0, 10), shuffled.slice(10)];
    for (const request of first) await answer(before, request);
    await world.daemon.restart('SIGKILL');
    const after = await opened({ deviceId: 'twenty' });
    await after.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
    const response = await world.daemon.fetch(`/api/waiting?sessionId=${sessionId}`);
    const { sessions } = waitingSchema.parse(await response.json());
    const open = sessions.flatMap(({ permissions }) => permissions.map(({ permissionId }) => permissionId));
    expect(open.sort()).toEqual(rest.map(({ permissionId }) => permissionId).sort());
    for (const request of rest) await answer(after, request);
    const heard = heardBy(await ofSession(after, 'toolResult', sessionId)).split('\n');
    expect(heard).toEqual(
      numbers.map((one) => `answer: {"action":"accept","content":{"name":"${String(one).padStart(2, '0')}"}}`),
    );
  });

  test('is asked by a server over HTTP as well', async () => {
    const client = await opened();
    const started = await client.request('streamStart', {
      prompt: scenario({ tools: [{ name: 'mcp__pages__ask', input: { params: form } }] }, { text: 'Done.' }),
      workingDirectory: await sharedDirectory(),
      options,
    });
    const { sessionId } = started.data;
    expect((await asked(client, sessionId)).data).toMatchObject({ kind: 'elicitation', mcpServer: 'pages' });
    await client.request('permission', { sessionId, response: 'allow', remember: false, answers: { name: 'Ada' } });
    expect(heardBy(await ofSession(client, 'toolResult', sessionId))).toBe(
      '{"action":"accept","content":{"name":"Ada"}}',
    );
  });
});

describe('a page that an MCP server asks to open', () => {
  test('is shown as a browser would open it, and accepted without values', async () => {
    const client = await opened();
    const url = 'https://l\u043egin.example/a?b=\u202egpj.exe';
    const { sessionId } = await elicit(client, [{ ...page, url }]);
    if (await isUnknownHere(client, sessionId)) return;
    expect((await asked(client, sessionId)).data).toMatchObject({
      kind: 'elicitation',
      prompt: 'forms asks you to open xn--lgin-55d.example: Log in there.',
      toolInput: {
        message: 'Log in there.',
        mode: 'url',
        url: 'https://xn--lgin-55d.example/a?b=%E2%80%AEgpj.exe',
        host: 'xn--lgin-55d.example',
      },
      oneTap: false,
    });
    const answer = { sessionId, response: 'allow', remember: false };
    const refused = await client.request('permission', { ...answer, answers: { password: 'x' } });
    expect(refused.data).toMatchObject({ code: 'INVALID_REQUEST', details: { field: 'answers.password' } });
    await client.request('permission', answer);
    expect(heardBy(await ofSession(client, 'toolResult', sessionId))).toBe('answer: {"action":"accept"}');
  });

  test.each(['javascript:alert(1)', 'file:///etc/passwd', 'claude-companion://session/x'])(
    'is refused without asking when it is not of the web: %s',
    async (url) => {
      const client = await opened();
      const { sessionId } = await elicit(client, [{ ...page, url }]);
      expect((await ofSession(client, 'streamComplete', sessionId)).data.finalResult).toBe('Done.');
      const events = client.events(sessionId);
      expect(events.some(({ type }) => type === 'permissionRequest')).toBe(false);
      const heard = String(events.find(({ type }) => type === 'toolResult')?.data.result);
      expect(heard).toMatch(/^error -32602: /);
      expect(heard).not.toMatch(/answer:|cancel|decline/);
      // 2.1.197 refuses the mode `url` by itself and asks nobody.
      if (/URL-mode/.test(heard)) return;
      expect(heard).toContain('elicitation is not supported here');
      const notice = { kind: 'unsupported_request', level: 'warning', message: expect.stringContaining('forms: ') };
      expect(events.flatMap(({ type, data }) => (type === 'notice' ? [data] : []))).toEqual([
        expect.objectContaining(notice),
      ]);
    },
  );
});

describe('an elicitation that is not needed any more', () => {
  test.each([
    ['the server withdraws it', { deed: 'withdraw', end: { subtype: 'interrupted' }, result: {} }],
    ['the server dies', { deed: 'exit', end: { finalResult: 'Done.' }, result: { success: false } }],
    ['the server answers without it', { deed: 'answer', end: {}, result: { result: 'It was not needed.' } }],
    ['its completion is confirmed', { deed: 'complete', end: {}, result: { result: 'answer: {"action":"accept"}' } }],
  ])('is withdrawn on every device when %s', async (_, { deed, end, result }) => {
    const client = await opened();
    const { sessionId, trigger } = await elicit(client, [deed === 'complete' ? page : form], deed);
    if (await isUnknownHere(client, sessionId)) return;
    const { permissionId } = (await asked(client, sessionId)).data;
    trigger();
    // 2.1.197 still waits for an answer then.
    if (deed === 'answer' && (await versionOf(client)) === '2.1.197') return declineLate(client, sessionId);
    const resolved = await ofSession(client, 'permissionResolved', sessionId);
    expect(resolved.data).toMatchObject({ permissionId, decision: 'cancelled' });
    expect(resolved.data.byDeviceId).toBeUndefined();
    const late = { sessionId, permissionId, response: 'allow', remember: false, answers: { name: 'Ada' } };
    expect((await client.request('permission', late)).data).toMatchObject({ code: 'ALREADY_RESOLVED' });
    // A server that withdraws its request still owes the result of the call.
    if (deed === 'withdraw') await client.request('interrupt', { sessionId });
    expect((await ofSession(client, 'streamComplete', sessionId)).data).toMatchObject(end);
    const told = client.events(sessionId).find(({ type }) => type === 'toolResult');
    expect(told?.data).toMatchObject(result);
  });

  test('is withdrawn by an interrupt', async () => {
    const client = await opened();
    const { sessionId } = await elicit(client, [form]);
    await asked(client, sessionId);
    await client.request('interrupt', { sessionId });
    expect((await ofSession(client, 'permissionResolved', sessionId)).data).toMatchObject({ decision: 'cancelled' });
    expect((await ofSession(client, 'streamComplete', sessionId)).data).toMatchObject({ subtype: 'interrupted' });
    const next = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Alive.' }) });
    const end = await client.waitFor(
      ({ type, data }) => type === 'streamComplete' && data.promptId === next.data.promptId,
    );
    expect(end.data.finalResult).toBe('Alive.');
  });
});

test('a notification can decline an elicitation, and cannot accept it', async () => {
  const away = await world.register('form-1');
  await away.close();
  const client = await opened();
  const { sessionId } = await elicit(client, [form]);
  const { seq = 0, data } = await asked(client, sessionId);
  const { permissionId } = data;
  await client.close();
  await world.pushed('form-1');
  const [message] = world.messages('form-1');
  const bodies = (message?.actions ?? []).map(
    ({ body }) => JSON.parse(body) as { response: string; actionToken: string },
  );
  expect(bodies).toMatchObject([{ response: 'deny' }]);
  const send = (body: object) =>
    fetch(`${world.daemon.url}/api/sessions/${sessionId}/permissions/${permissionId}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const refused = await send({ response: 'allow', actionToken: bodies[0]?.actionToken });
  expect(refused.status).toBe(403);
  expect(await refused.json()).toMatchObject({
    error: { code: 'PERMISSION_DENIED', details: { rule: 'must be answered in the session' } },
  });
  expect((await send(bodies[0] ?? {})).status).toBe(200);
  const back = await opened();
  const { epoch } = (await back.waitFor('welcome')).data;
  const cursors = { [sessionId]: { epoch: String(epoch), seq } };
  await back.request('subscribe', { events: ['*'], sessionIds: [sessionId], cursors });
  expect(heardBy(await ofSession(back, 'toolResult', sessionId))).toBe('answer: {"action":"decline"}');
});

const pidOf = async (sessionId: string) => {
  const response = await world.daemon.fetch(`/api/sessions/${sessionId}`);
  return ((await response.json()) as { pid: number }).pid;
};

describe('an open elicitation', () => {
  test('H2, I2: outlives the daemon, and is answered once', async () => {
    const before = await opened({ deviceId: 'form-2' });
    const { sessionId } = await elicit(before, [form]);
    const request = await asked(before, sessionId);
    const pid = await pidOf(sessionId);
    await world.daemon.restart('SIGKILL');
    const after = await opened({ deviceId: 'form-2' });
    await after.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
    expect((await asked(after, sessionId)).data).toEqual(request.data);
    expect(await pidOf(sessionId)).toBe(pid);
    const { permissionId } = request.data;
    const answer = { sessionId, permissionId, response: 'allow', remember: false, answers: { name: 'Ada' } };
    const late = { ...answer, answers: { name: 'Bob' } };
    expect((await after.request('permission', answer)).type).toBe('permissionAccepted');
    expect((await after.request('permission', late)).data).toMatchObject({ code: 'ALREADY_RESOLVED' });
    expect(heardBy(await ofSession(after, 'toolResult', sessionId))).toBe(
      'answer: {"action":"accept","content":{"name":"Ada"}}',
    );
  });

  test('ends with its child: it expires, the turn ends, and nothing goes on by itself', async () => {
    const client = await opened();
    const { sessionId } = await elicit(client, [form]);
    const { permissionId } = (await asked(client, sessionId)).data;
    process.kill(await pidOf(sessionId), 'SIGKILL');
    expect((await ofSession(client, 'permissionResolved', sessionId)).data).toMatchObject({
      permissionId,
      decision: 'expired',
    });
    expect((await ofSession(client, 'streamComplete', sessionId)).data).toMatchObject({ subtype: 'child_exited' });
    const late = { sessionId, permissionId, response: 'allow', remember: false, answers: { name: 'Ada' } };
    expect((await client.request('permission', late)).data).toMatchObject({ code: 'ALREADY_RESOLVED' });
    const next = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Alive.' }) });
    const end = await client.waitFor(
      ({ type, data }) => type === 'streamComplete' && data.promptId === next.data.promptId,
    );
    expect(end.data.finalResult).toBe('Alive.');
    const prompts = client.events(sessionId).filter(({ type }) => type === 'humanMessage');
    expect(prompts).toHaveLength(2);
  });
});
