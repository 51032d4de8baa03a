/** `/v1/chat/completions` with OpenAI's own client, unmodified. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import OpenAI, { APIConnectionError, APIError, APIUserAbortError, AuthenticationError, RateLimitError } from 'openai';
import { TOKEN } from '../support/daemon.js';
import { pairDevice } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { useSharedSession } from '../support/shared-session.js';
import { waitUntil } from '../support/wait-until.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
const openShared = useSharedSession(world);
let client: OpenAI;
let watcher: WireClient;
let sessionId: string;

const clientWith = (options: object = {}) =>
  new OpenAI({ baseURL: `${world.daemon.url}/v1`, apiKey: TOKEN, maxRetries: 0, ...options });

beforeAll(async () => {
  client = clientWith();
  watcher = await world.connect();
  ({ sessionId } = await openShared(watcher));
});

const user = (content: string) => ({ role: 'user' as const, content });
const inSession = { session_id: '' };
beforeAll(() => {
  inSession.session_id = sessionId;
});

const PIXEL =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
/** The folders of chats that run; one more can be that of a CLI that waits for the next. */
const chats = () => (existsSync(askFolder()) ? readdirSync(askFolder()) : []);
const areGone = (names: readonly string[]) =>
  waitUntil('the chat is gone', () => !chats().some((name) => names.includes(name)));
const askFolder = () => join(world.daemon.home, 'ask');

describe.each(['in a session', 'alone'])('%s', (where) => {
  const more = () => (where === 'alone' ? {} : inSession);

  test('answers as a whole, with usage', async () => {
    const prompt = scenario({ text: 'Hello, world.' });
    const answer = await client.chat.completions.create({ model: 'default', messages: [user(prompt)], ...more() });
    expect(answer.choices).toMatchObject([
      { index: 0, message: { role: 'assistant', content: 'Hello, world.' }, finish_reason: 'stop' },
    ]);
    expect(answer).toMatchObject({ object: 'chat.completion', model: 'default' });
    const { prompt_tokens: input, completion_tokens: output, total_tokens: all } = answer.usage ?? {};
    expect(input).toBeGreaterThan(0);
    expect(output).toBeGreaterThan(0);
    expect(all).toBe(Number(input) + Number(output));
  });

  test('streams, and tells the usage when asked', async () => {
    const prompt = scenario({
      text: 'One word after the other.',
      chunk: 4,
      gateAfter: { deltas: 2, gate: `g-${where}` },
    });
    const stream = await client.chat.completions.create({
      model: 'default',
      messages: [user(prompt)],
      stream: true,
      stream_options: { include_usage: true },
      ...more(),
    });
    const chunks = [];
    for await (const chunk of stream) {
      if (chunks.length === 0) world.api.release(`g-${where}`);
      chunks.push(chunk);
    }
    expect(chunks[0]?.choices[0]?.delta.role).toBe('assistant');
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe('One word after the other.');
    expect(chunks.length).toBeGreaterThan(3);
    expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe('stop');
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: expect.any(Number) } });
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
  });

  test('an abort interrupts the turn', async () => {
    const gate = `abort-${where}`;
    const prompt = scenario(
      { text: 'Begun, and never ended.', chunk: 4, gateAfter: { deltas: 2, gate } },
      { text: 'x' },
    );
    const stream = await client.chat.completions.create({
      model: 'default',
      messages: [user(prompt)],
      stream: true,
      ...more(),
    });
    let names: string[] = [];
    for await (const _ of stream) {
      names = chats();
      stream.controller.abort();
      break;
    }
    if (where === 'alone') await areGone(names);
    else {
      const end = await watcher.waitFor(
        ({ type, data }) => type === 'streamComplete' && data.sessionId === sessionId && data.subtype !== 'success',
      );
      expect(end.data).toMatchObject({ subtype: 'interrupted' });
    }
    world.api.release(gate);
  });

  test('a timeout of the client ends the turn as well', async () => {
    const gate = `timeout-${where}`;
    const asked = clientWith({ timeout: 3000 }).chat.completions.create({
      model: 'default',
      messages: [user(scenario({ text: 'Late.', gate }))],
      ...more(),
    });
    // Its subclass for timeouts is chosen by `instanceof Error`, which is another one outside Jest's realm.
    const timedOut = expect(asked).rejects.toThrow(APIConnectionError);
    // On a busy machine the client can leave before the API is asked.
    await Promise.race([world.api.reached(gate), timedOut]);
    const names = chats();
    await timedOut;
    if (where === 'alone') await areGone(names);
    const idle = async () =>
      ((await (await world.daemon.fetch(`/api/sessions/${sessionId}`)).json()) as { status: string }).status === 'idle';
    await waitUntil('the session is idle', idle);
    world.api.release(gate);
  });

  test('passes images, and parts of text', async () => {
    const messages = [
      {
        role: 'user' as const,
        content: [
          { type: 'text' as const, text: `What is here? ` },
          { type: 'image_url' as const, image_url: { url: PIXEL } },
          { type: 'text' as const, text: scenario({ text: 'A pixel.' }) },
        ],
      },
    ];
    const from = world.api.requests.length;
    const answer = await client.chat.completions.create({ model: 'default', messages, ...more() });
    expect(answer.choices[0]?.message.content).toBe('A pixel.');
    const sent = JSON.stringify(world.api.requests.slice(from).map((request) => request.messages));
    expect(sent).toContain('What is here?');
    expect(sent).toContain('"media_type":"image/png"');
  });

  test('an error of the API is an error of the client', async () => {
    const step = { error: { status: 400, type: 'invalid_request_error', message: 'no such thing' } };
    const asked = client.chat.completions.create({ model: 'default', messages: [user(scenario(step))], ...more() });
    await expect(asked).rejects.toMatchObject({
      status: 503,
      code: 'CLAUDE_UNAVAILABLE',
      type: 'server_error',
      message: expect.stringContaining('no such thing'),
    });
  });

  test('tells what tools do only when asked', async () => {
    const prompt = () =>
      scenario(
        { text: 'I look.', tools: [{ name: 'Bash', input: { command: 'echo seen', description: 'Look' } }] },
        { text: 'I saw it.' },
      );
    const ask = (extra: object) =>
      client.chat.completions.create({ model: 'default', messages: [user(prompt())], ...more(), ...extra });
    expect((await ask({})).choices[0]?.message.content).toBe('I look.\n\nI saw it.');
    const shown = (await ask({ show_tools: true })).choices[0]?.message.content ?? '';
    expect(shown).toMatch(/^I look\.\n\n> \*\*Bash\*\* .*echo seen.*\n\n> .*\n\nI saw it\.$/s);
  });
});

describe('alone', () => {
  test('tells the conversation before, and the system', async () => {
    const prompt = scenario({ text: 'Blue.' });
    const messages = [
      { role: 'system' as const, content: 'Answer with one word only.' },
      user('What is your favourite colour?'),
      { role: 'assistant' as const, content: 'Red.' },
      user(`And mine? ${prompt}`),
    ];
    const answer = await client.chat.completions.create({ model: 'default', messages });
    expect(answer.choices[0]?.message.content).toBe('Blue.');
    const last = world.api.requests.at(-1);
    expect(JSON.stringify(last?.system)).toContain('Answer with one word only.');
    expect(JSON.stringify(last?.messages)).toMatch(/favourite colour.*assistant.*Red\..*And mine/);
  });

  test('a tool that would ask is denied', async () => {
    const input = { file_path: '/tmp/never-written', content: 'x' };
    const prompt = scenario({ tools: [{ name: 'Write', input }] }, { text: 'It was denied.' });
    const shown = { show_tools: true };
    const answer = await client.chat.completions.create({ model: 'default', messages: [user(prompt)], ...shown });
    expect(answer.choices[0]?.message.content).toMatch(/\*\*failed\*\*.*It was denied\./s);
  });
});

describe('in a session', () => {
  test('continues it, with what was said since the assistant spoke', async () => {
    const before = world.api.requests.length;
    const messages = [
      user('never sent'),
      { role: 'assistant' as const, content: 'Yes.' },
      user(scenario({ text: 'Go on.' })),
    ];
    await client.chat.completions.create({ model: 'default', messages, ...inSession });
    const sent = JSON.stringify(world.api.requests[before]?.messages);
    expect(sent).toContain('Hello, world.');
    expect(sent).not.toContain('never sent');
  });

  test('an interrupt by another device ends the answer as it is', async () => {
    const gate = 'other-device';
    const prompt = scenario({ text: 'Heard, and then stopped.', chunk: 4, gateAfter: { deltas: 3, gate } });
    const asked = client.chat.completions.create({ model: 'default', messages: [user(prompt)], ...inSession });
    await world.api.reached(gate);
    await watcher.waitFor(({ type, data }) => type === 'streamData' && String(data.content?.text).startsWith('Hear'));
    await watcher.request('interrupt', { sessionId });
    const [choice] = (await asked).choices;
    expect(choice?.finish_reason).toBe('length');
    expect(choice?.message.content).toMatch(/^Hear/);
    expect('Heard, and then stopped.'.startsWith(String(choice?.message.content))).toBe(true);
    world.api.release(gate);
  });

  test('an interrupt before the first word ends it without the words of the CLI about that', async () => {
    const gate = 'no-word';
    const prompt = scenario({ text: 'Never said.', gate });
    const asked = client.chat.completions.create({ model: 'default', messages: [user(prompt)], ...inSession });
    await world.api.reached(gate);
    await watcher.request('interrupt', { sessionId });
    const { choices } = await asked;
    expect(choices).toMatchObject([{ finish_reason: 'length', message: { role: 'assistant', content: '' } }]);
    world.api.release(gate);
  });

  test('a prompt cancelled while it waits is a conflict, which the client does not send again', async () => {
    const gate = 'busy';
    await watcher.request('streamSend', { sessionId, prompt: scenario({ text: 'Busy.', gate }) });
    await world.api.reached(gate);
    const asked = clientWith({ maxRetries: 2 }).chat.completions.create({
      model: 'default',
      messages: [user(scenario({ text: 'Never.' }))],
      ...inSession,
    });
    const refused = expect(asked).rejects.toMatchObject({ status: 409, code: 'CONFLICT' });
    const queue = async () =>
      ((await (await world.daemon.fetch(`/api/sessions/${sessionId}/queue`)).json()) as { queueDepth: number })
        .queueDepth;
    await waitUntil('it waits', async () => (await queue()) === 1);
    await watcher.request('clearQueue', { sessionId });
    await refused;
    expect(await queue()).toBe(0);
    world.api.release(gate);
    await watcher.waitFor(({ type, data }) => type === 'streamComplete' && data.finalResult === 'Busy.');
  });
});

describe('refuses', () => {
  const create = (body: object) => client.chat.completions.create(body as never);
  const ok = { model: 'default', messages: [user('hi')] };

  test.each<[string, object, object]>([
    ['no messages', { ...ok, messages: [] }, { param: 'messages' }],
    ['no message of the user', { ...ok, messages: [{ role: 'system', content: 'x' }] }, { param: 'messages' }],
    ['an empty message', { ...ok, messages: [user(' ')] }, { param: 'messages' }],
    ['a role of tools', { ...ok, messages: [{ role: 'tool', content: 'x' }] }, { param: 'messages.0.role' }],
    ['no model', { messages: ok.messages }, { param: 'model' }],
    ['a model that is an option', { ...ok, model: '--help' }, { param: 'model' }],
    ['functions of the client', { ...ok, tools: [{ type: 'function' }] }, { param: 'tools' }],
    ['more than one answer', { ...ok, n: 2 }, { param: 'n' }],
    ['a format', { ...ok, response_format: { type: 'json_object' } }, { param: 'response_format.type' }],
    ['a stream that is a text', { ...ok, stream: 'yes' }, { param: 'stream' }],
    [
      'an image of the web',
      {
        ...ok,
        messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }] }],
      },
      { param: expect.stringMatching(/^messages\.0\.content/) },
    ],
    [
      'an image that is none',
      {
        ...ok,
        messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,??' } }] }],
      },
      { param: expect.stringMatching(/^messages/) },
    ],
  ])('%s', async (_, body, expected) => {
    await expect(create(body)).rejects.toMatchObject({
      status: 400,
      code: 'INVALID_REQUEST',
      type: 'invalid_request_error',
      ...expected,
    });
  });

  test('an unknown session', async () => {
    await expect(create({ ...ok, session_id: 'none' })).rejects.toMatchObject({
      status: 404,
      code: 'SESSION_NOT_FOUND',
    });
  });

  test('a wrong key, with an error that the client knows', async () => {
    const asked = clientWith({ apiKey: 'wrong' }).chat.completions.create(ok);
    await expect(asked).rejects.toThrow(AuthenticationError);
  });
});

test('an error in the middle of a stream is told in the stream', async () => {
  const prompt = scenario(
    { text: 'Begun.', tools: [{ name: 'Bash', input: { command: 'true', description: 'x' } }] },
    {
      error: { status: 400, type: 'invalid_request_error', message: 'broken' },
    },
  );
  const stream = await client.chat.completions.create({ model: 'default', messages: [user(prompt)], stream: true });
  const read = (async () => {
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    return text;
  })();
  await expect(read).rejects.toThrow(APIError);
});

test('a usage limit is a limit of the client', async () => {
  const error = {
    status: 429,
    type: 'rate_limit_error',
    message: 'used up',
    headers: {
      'anthropic-ratelimit-unified-status': 'rejected',
      'anthropic-ratelimit-unified-reset': String(Math.floor(Date.now() / 1000) + 3600),
      'x-should-retry': 'false',
    },
  };
  const asked = client.chat.completions.create({ model: 'default', messages: [user(scenario({ error }))] });
  await expect(asked).rejects.toThrow(RateLimitError);
});

test('an abort before the answer is one of the client', async () => {
  const controller = new AbortController();
  const prompt = scenario({ text: 'Never.', gate: 'early' });
  const asked = client.chat.completions.create(
    { model: 'default', messages: [user(prompt)] },
    { signal: controller.signal },
  );
  const aborted = expect(asked).rejects.toThrow(APIUserAbortError);
  await world.api.reached('early');
  const names = chats();
  controller.abort();
  await aborted;
  await areGone(names);
  world.api.release('early');
});

test('ends with its credential, and so does its turn', async () => {
  const device = await pairDevice(world.daemon, { scopes: ['read', 'prompt'] });
  const before = Number(watcher.frames.findLast(({ seq }) => seq !== undefined)?.seq);
  const key = clientWith({ apiKey: device.accessToken });
  const gate = 'revoked';
  const prompt = scenario({ text: 'Begun, and cut.', chunk: 4, gateAfter: { deltas: 2, gate } });
  const stream = await key.chat.completions.create({
    model: 'default',
    messages: [user(prompt)],
    stream: true,
    ...inSession,
  });
  const read = (async () => {
    for await (const _ of stream) await world.daemon.fetch(`/api/devices/${device.deviceId}`, { method: 'DELETE' });
  })();
  await expect(read).rejects.toThrow();
  const end = await watcher.waitFor(
    ({ type, data, seq }) => type === 'streamComplete' && data.sessionId === sessionId && Number(seq) > before,
  );
  expect(end.data).toMatchObject({ subtype: 'interrupted' });
  world.api.release(gate);
});

test('the turn of a session outlives the daemon, and a client that asks again with its key gets its end', async () => {
  const gate = 'restart';
  const prompt = scenario({ text: 'Across a restart.', gate });
  const ask = () =>
    clientWith().chat.completions.create(
      { model: 'default', messages: [user(prompt)], ...inSession },
      {
        headers: { 'Idempotency-Key': 'one-chat' },
      },
    );
  const cut = expect(ask()).rejects.toThrow(APIConnectionError);
  await world.api.reached(gate);
  await world.daemon.restart('SIGTERM');
  await cut;
  const again = ask();
  world.api.release(gate);
  expect((await again).choices[0]?.message.content).toBe('Across a restart.');
  expect(world.api.runs(prompt)).toBe(1);
});
