/** `/v1/responses` with OpenAI's own client, unmodified. */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import OpenAI, { APIConnectionError, NotFoundError } from 'openai';
import type { Response, ResponseStreamEvent } from 'openai/resources/responses/responses';
import { TOKEN } from '../support/daemon.js';
import { scenario } from '../support/scripted-api.js';
import { useSharedSession } from '../support/shared-session.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
const openShared = useSharedSession(world);
let sessionId: string;

const client = (options: object = {}) =>
  new OpenAI({ baseURL: `${world.daemon.url}/v1`, apiKey: TOKEN, maxRetries: 0, ...options });

/** Extensions of the daemon are no part of the client's types. */
const inSession = () => ({ session_id: sessionId }) as object;
const ask = (input: string, more: object = {}) =>
  client().responses.create({ model: 'default', input, ...more }) as Promise<Response>;

beforeAll(async () => {
  ({ sessionId } = await openShared(await world.connect()));
});

const all = async (stream: AsyncIterable<ResponseStreamEvent>) => {
  const events: ResponseStreamEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
};
const textOf = (events: readonly ResponseStreamEvent[]) =>
  events.map((event) => (event.type === 'response.output_text.delta' ? event.delta : '')).join('');
const numbersOf = (events: readonly ResponseStreamEvent[]) => events.map((event) => event.sequence_number);
const read = (id: string, after?: number) =>
  client().responses.retrieve(id, { stream: true, ...(after !== undefined && { starting_after: after }) });
/** Whoever has the events up to any of these gets the rest of the text, and nothing twice. */
async function expectExact(id: string, { events, text }: { events: readonly ResponseStreamEvent[]; text: string }) {
  for (const [index, event] of events.entries()) {
    const rest = await all(await read(id, event.sequence_number));
    expect(textOf(events.slice(0, index + 1)) + textOf(rest)).toBe(text);
    expect(numbersOf(rest).filter((number) => number <= event.sequence_number)).toEqual([]);
  }
}
const untilEnded = async (id: string) => {
  await all(await read(id));
  return client().responses.retrieve(id);
};

describe.each([
  ['in a session', inSession],
  ['in a conversation of its own', () => ({})],
  ['without a record', () => ({ store: false })],
])('%s', (where, more) => {
  test('answers as a whole, with usage', async () => {
    const answer = await ask(scenario({ text: 'Hello, world.' }), { ...more(), metadata: { a: 'b' } });
    expect(answer).toMatchObject({ object: 'response', status: 'completed', model: 'default', metadata: { a: 'b' } });
    expect(answer.output_text).toBe('Hello, world.');
    const { input_tokens: input = 0, output_tokens: output = 0, total_tokens: sum } = answer.usage ?? {};
    expect(input).toBeGreaterThan(0);
    expect(output).toBeGreaterThan(0);
    expect(sum).toBe(input + output);
    const again = client().responses.retrieve(answer.id);
    if (where === 'without a record') await expect(again).rejects.toThrow(NotFoundError);
    else expect(await again).toEqual(answer);
  });

  test('streams in the order of OpenAI', async () => {
    const gate = `order-${where}`;
    const input = scenario({ text: 'One word after the other.', chunk: 4, gateAfter: { deltas: 2, gate } });
    const stream = client().responses.stream({ model: 'default', input, ...more() });
    stream.on('response.output_text.delta', () => world.api.release(gate));
    const events = await all(stream);
    const types = events.map(({ type }) => type).filter((type, index, list) => type !== list[index - 1]);
    expect(types).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ]);
    expect(events.filter(({ type }) => type === 'response.output_text.delta').length).toBeGreaterThan(1);
    const numbers = numbersOf(events);
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    expect(textOf(events)).toBe('One word after the other.');
    expect((await stream.finalResponse()).output_text).toBe('One word after the other.');
  });
});

test('a conversation of its own goes on with previous_response_id, under new instructions', async () => {
  const first = await ask(scenario({ text: 'First.' }), { instructions: 'Speak of ships.' });
  const from = world.api.requests.length;
  const second = await ask(scenario({ text: 'Second.' }), { previous_response_id: first.id });
  expect(second).toMatchObject({ previous_response_id: first.id, output_text: 'Second.' });
  const sent = world.api.requests.slice(from).map(({ system, messages }) => JSON.stringify({ system, messages }));
  expect(sent.join('\n')).toContain('First.');
  expect(sent.join('\n')).toContain('Speak of ships.');
  expect((await client().responses.retrieve(first.id)).output_text).toBe('First.');
});

test('a conversation of its own is in no list, and a tool that would ask is denied there', async () => {
  const input = { file_path: '/tmp/never-written', content: 'x' };
  const from = world.api.requests.length;
  const answer = await ask(scenario({ tools: [{ name: 'Write', input }] }, { text: 'It was denied.' }));
  expect(answer.output_text).toBe('It was denied.');
  const sent = world.api.requests.slice(from).map(({ messages }) => JSON.stringify(messages));
  expect(sent.join('\n')).toContain('"is_error":true');
  const { session_id: own } = answer as Response & { session_id: string };
  const lists = ['/api/sessions', '/api/sessions/status', '/v1/sessions', '/v1/projects'];
  const files = await world.daemon.fetch(`/api/sessions/${own}/files`);
  expect(files.status).toBe(403);
  for (const list of lists) expect(await (await world.daemon.fetch(list)).text()).not.toContain(own);
});

test('text around tools is in paragraphs, whether it is read whole or as events', async () => {
  const tools = [{ name: 'Bash', input: { command: 'echo seen', description: 'Look' } }];
  const answer = await ask(scenario({ text: 'I look.', tools }, { text: 'I saw it.' }), inSession());
  expect(answer.output_text).toBe('I look.\n\nI saw it.');
  expect(textOf(await all(await read(answer.id)))).toBe('I look.\n\nI saw it.');
});

describe('in the background', () => {
  test('it is there at once, goes on without its client, and can be read when it has ended', async () => {
    const gate = 'behind';
    const started = await ask(scenario({ text: 'Done behind.', gate }), { background: true, ...inSession() });
    expect(started).toMatchObject({ status: 'queued', background: true, output: [] });
    await world.api.reached(gate);
    expect(await client().responses.retrieve(started.id)).toMatchObject({ status: 'in_progress', output: [] });
    world.api.release(gate);
    const ended = await untilEnded(started.id);
    expect(ended).toMatchObject({ id: started.id, status: 'completed', output_text: 'Done behind.' });
  });

  test('a stream that is cut leaves the turn running, and a reader goes on exactly after any event', async () => {
    const gate = 'cut';
    const text = 'Every piece of this text comes once, wherever its reader was cut.';
    const input = scenario({ text, chunk: 5, gateAfter: { deltas: 6, gate } });
    const cut = await client().responses.create({
      model: 'default',
      input,
      stream: true,
      background: true,
      ...inSession(),
    });
    const seen: ResponseStreamEvent[] = [];
    for await (const event of cut) {
      seen.push(event);
      if (textOf(seen).length >= 15) break;
    }
    const id = (seen[0] as { response: Response }).response.id;
    const rest = read(id, seen.at(-1)?.sequence_number);
    const first = await read(id);
    const heads = [];
    for await (const event of first) {
      heads.push(event);
      if (textOf(heads).length >= 15) break;
    }
    // Each reader gets the text so far while the turn still runs.
    expect(text.startsWith(textOf(heads))).toBe(true);
    world.api.release(gate);
    expect(textOf(seen) + textOf(await all(await rest))).toBe(text);
    const whole = await all(await read(id));
    expect(textOf(whole)).toBe(text);
    expect(whole.at(-1)).toMatchObject({ type: 'response.completed' });
    await expectExact(id, { events: whole, text });
    await expectExact(id, { events: seen, text });
  });

  test('a response that waits for its turn is queued, and cancelled for good', async () => {
    const gate = 'busy';
    const running = await ask(scenario({ text: 'Cut.', chunk: 1, gateAfter: { deltas: 2, gate } }), {
      background: true,
      ...inSession(),
    });
    await world.api.reached(gate);
    const waiting = await ask(scenario({ text: 'Never.' }), { background: true, ...inSession() });
    expect(await client().responses.retrieve(waiting.id)).toMatchObject({ status: 'queued' });
    expect(await client().responses.cancel(waiting.id)).toMatchObject({ id: waiting.id, status: 'cancelled' });
    const cancelled = await client().responses.cancel(running.id);
    expect(cancelled).toMatchObject({ id: running.id, status: 'cancelled' });
    world.api.release(gate);
    expect(await client().responses.cancel(running.id)).toEqual(cancelled);
    const events = await all(await read(waiting.id));
    expect(events.map(({ type }) => type)).toEqual(['response.created', 'response.queued', 'response.incomplete']);
  });

  test('a turn that fails is a failed response', async () => {
    const step = { error: { status: 400, type: 'invalid_request_error', message: 'no such thing' } };
    const started = await ask(scenario(step), { background: true, ...inSession() });
    const ended = await untilEnded(started.id);
    expect(ended).toMatchObject({
      status: 'failed',
      error: { code: 'server_error', message: expect.stringContaining('no such thing') },
    });
    const events = await all(await read(started.id));
    expect(events.at(-1)).toMatchObject({ type: 'response.failed', response: { id: started.id, status: 'failed' } });
  });
});

test('an error of the API is an error of a client that waits', async () => {
  const step = { error: { status: 400, type: 'invalid_request_error', message: 'no such thing' } };
  await expect(ask(scenario(step), inSession())).rejects.toMatchObject({ status: 503, code: 'CLAUDE_UNAVAILABLE' });
});

test('a client that leaves ends the turn that it waited for', async () => {
  const gate = 'left';
  const controller = new AbortController();
  const input = scenario({ text: 'Begun, and never ended.', chunk: 4, gateAfter: { deltas: 2, gate } });
  const stream = await client().responses.create(
    { model: 'default', input, stream: true, ...inSession() },
    { signal: controller.signal },
  );
  let id = '';
  for await (const event of stream) {
    if (event.type === 'response.created') id = event.response.id;
    if (event.type === 'response.output_text.delta') break;
  }
  controller.abort();
  expect(await untilEnded(id)).toMatchObject({ status: 'cancelled', output: [{ status: 'incomplete' }] });
  world.api.release(gate);
});

test('a deleted response is gone with its conversation and its folder', async () => {
  const folders = () => {
    const folder = join(world.daemon.home, 'responses');
    return existsSync(folder) ? readdirSync(folder) : [];
  };
  const before = folders();
  const { id } = await ask(scenario({ text: 'Forget me.' }));
  expect(folders().length).toBe(before.length + 1);
  await client().responses.delete(id);
  await expect(client().responses.retrieve(id)).rejects.toThrow(NotFoundError);
  await waitUntil('the folder is gone', () => folders().length === before.length);
  const kept = await ask(scenario({ text: 'Keep me.' }), inSession());
  await expect(client().responses.delete(kept.id)).rejects.toMatchObject({ status: 409 });
});

describe('refuses', () => {
  const image = { role: 'user', content: [{ type: 'input_image', image_url: 'https://example.com/a.png' }] };
  test.each<[string, object, string]>([
    ['no input', { input: undefined }, 'input'],
    ['an empty input', { input: ' ' }, 'input'],
    ['an empty list', { input: [] }, 'input'],
    ['items of tools', { input: [{ type: 'function_call_output', call_id: 'x', output: 'y' }] }, 'input'],
    ['an image of the web', { input: [image] }, 'input'],
    ['functions of the client', { tools: [{ type: 'function', name: 'x' }] }, 'tools'],
    ['tools of OpenAI', { tools: [{ type: 'web_search' }] }, 'tools'],
    ['a format', { text: { format: { type: 'json_object' } } }, 'text.format.type'],
    ['a model that is an option', { model: '--help' }, 'model'],
    ['a conversation of OpenAI', { conversation: 'conv_1' }, 'conversation'],
    ['a background that leaves nothing', { background: true, store: false }, 'store'],
    ['a session that leaves nothing', { session_id: 'x', store: false }, 'store'],
    ['two conversations', { session_id: 'x', previous_response_id: 'resp_x' }, 'previous_response_id'],
    ['too much metadata', { metadata: { a: 'x'.repeat(513) } }, 'metadata.a'],
    ['a stream that is a text', { stream: 'yes' }, 'stream'],
  ])('%s', async (_, body, param) => {
    const asked = client().responses.create({ model: 'default', input: 'hi', ...body } as never);
    await expect(asked).rejects.toMatchObject({
      status: 400,
      code: 'INVALID_REQUEST',
      param: expect.stringMatching(new RegExp(`^${param}`)),
    });
  });

  test.each(['resp_none', 'none', 'resp_'])('the unknown response %s', async (id) => {
    await expect(client().responses.retrieve(id)).rejects.toThrow(NotFoundError);
    await expect(client().responses.cancel(id)).rejects.toThrow(NotFoundError);
    await expect(client().responses.delete(id)).rejects.toThrow(NotFoundError);
    await expect(ask('hi', { previous_response_id: id })).rejects.toMatchObject({
      status: 404,
      param: 'previous_response_id',
    });
  });

  test.each(['-1', '1.5', 'x'])('starting_after=%s', async (after) => {
    const answer = await world.daemon.fetch(`/v1/responses/resp_x?stream=true&starting_after=${after}`);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ error: { param: 'starting_after' } });
  });
});

test('a response outlives a daemon that is killed, and its reader goes on where it was', async () => {
  const gate = 'killed';
  const text = 'This text is written across the death of its daemon, and nobody notices.';
  const input = scenario({ text, chunk: 5, gateAfter: { deltas: 6, gate } });
  const stream = await client().responses.create({ model: 'default', input, stream: true, background: true });
  const seen: ResponseStreamEvent[] = [];
  const cut = (async () => {
    for await (const event of stream) seen.push(event);
  })();
  const isCut = cut.then(
    () => false,
    () => true,
  );
  await world.api.reached(gate);
  await waitUntil('text has come', () => textOf(seen).length >= 10);
  const leftOver = join(world.daemon.home, 'responses', 'left-over');
  mkdirSync(leftOver);
  await world.daemon.restart('SIGKILL');
  expect(await isCut).toBe(true);
  expect(existsSync(leftOver)).toBe(false);
  const id = (seen[0] as { response: Response }).response.id;
  expect(await client().responses.retrieve(id)).toMatchObject({ status: 'in_progress', background: true });
  const rest = await read(id, seen.at(-1)?.sequence_number);
  world.api.release(gate);
  const events = await all(rest);
  expect(textOf(seen) + textOf(events)).toBe(text);
  expect(events.at(-1)).toMatchObject({ type: 'response.completed', response: { id, status: 'completed' } });
  await expectExact(id, { events: seen, text });
  expect(world.api.runs(input)).toBe(1);
  const next = await ask(scenario({ text: 'And on.' }), { previous_response_id: id });
  expect(next.output_text).toBe('And on.');
});

test('a request that is repeated with its key after a restart is the same response', async () => {
  const gate = 'repeated';
  const input = scenario({ text: 'Once.', gate });
  const create = () =>
    client().responses.create(
      { model: 'default', input, background: false, ...inSession() },
      { headers: { 'Idempotency-Key': 'one-response' } },
    );
  const cut = expect(create()).rejects.toThrow(APIConnectionError);
  await world.api.reached(gate);
  await world.daemon.restart('SIGTERM');
  await cut;
  const again = create();
  world.api.release(gate);
  expect((await again).output_text).toBe('Once.');
  expect(world.api.runs(input)).toBe(1);
});
