/** Event streams over HTTP, read by an unmodified `eventsource` client. */
import { afterEach, describe, expect, test } from '@jest/globals';
import type { ErrorBody } from '../../protocol/rest.js';
import { type EventReader, type FetchText, type ReaderOptions, readEvents } from '../support/event-reader.js';
import { scenario } from '../support/scripted-api.js';
import { useSharedSession } from '../support/shared-session.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
const openShared = useSharedSession(world);
const readers: EventReader[] = [];

afterEach(() => {
  for (const reader of readers.splice(0)) reader.close();
  world.disconnect();
});

const read = (path: string, options?: ReaderOptions): EventReader => {
  const reader = readEvents(`${world.daemon.url}${path}`, options);
  readers.push(reader);
  return reader;
};

const send = async (client: WireClient, sessionId: string, prompt: string): Promise<string> =>
  (await client.request('streamSend', { sessionId, prompt })).data.promptId;

/** The durable events of a session that a client has, by seq. */
const idsOf = (reader: EventReader) =>
  reader.events.flatMap(({ id, event }) => (id && event !== 'connected' ? [id] : []));

const get = async (path: string, headers: Record<string, string> = {}) => {
  const response = await world.daemon.fetch(path, { headers });
  const error = response.status === 200 ? undefined : ((await response.json()) as ErrorBody).error;
  if (!error) await response.body?.cancel();
  return { status: response.status, error };
};

describe('the stream of a prompt', () => {
  test('has its message, its tools and its end, with ids of durable events alone, and ends', async () => {
    const client = await world.connect();
    const { sessionId } = await openShared(client);
    const tools = [{ name: 'Bash', input: { command: 'echo streamed' } }];
    const promptId = await send(client, sessionId, scenario({ text: 'I look.', tools }, { text: 'It is done.' }));
    const reader = read(`/api/sessions/${sessionId}/prompts/${promptId}/stream`);
    const complete = await reader.waitFor('complete');
    await reader.closed();
    expect(reader.statuses).toEqual([200, 204]);
    expect(reader.events[0]).toMatchObject({ event: 'connected', id: '', data: { sessionId, promptId } });
    const messages = reader.of('message').map(({ data }) => [data.role, data.content]);
    expect(messages[0]).toEqual(['user', expect.stringContaining('scenario')]);
    expect(messages.slice(1)).toEqual([
      ['assistant', 'I look.'],
      ['assistant', 'It is done.'],
    ]);
    expect(reader.of('tool_use')[0]?.data).toMatchObject({ tool: 'Bash', params: { command: 'echo streamed' } });
    expect(reader.of('tool_result')[0]?.data).toMatchObject({ tool: 'Bash', result: 'streamed', success: true });
    expect(complete.data).toMatchObject({ promptId, isError: false, subtype: 'success', result: 'It is done.' });
    expect(complete.data.summary).toMatchObject({ toolCallCount: 1, tokenCount: expect.any(Number) });
    expect(reader.of('delta')).toEqual([]);
    const { epoch } = reader.events[0]?.data ?? {};
    const durable = reader.events.filter(({ data }) => data.seq !== undefined);
    expect(durable.map(({ id }) => id)).toEqual(durable.map(({ data }) => `${epoch}:${data.seq}`));
    expect(reader.events.filter(({ id }) => id !== '')).toEqual(durable);
  });

  test('D3: cut after every event, it goes on where it was, and nothing is missing or comes twice', async () => {
    const client = await world.connect();
    const { sessionId } = await openShared(client);
    const tools = [{ name: 'Bash', input: { command: 'echo cut' } }];
    const promptId = await send(client, sessionId, scenario({ text: 'I look.', tools }, { text: 'It is done.' }));
    const path = `/api/sessions/${sessionId}/prompts/${promptId}/stream`;
    const cut = read(path, { blocksEach: 2 });
    await cut.waitFor('complete');
    const whole = read(path);
    await Promise.all([cut.closed(), whole.closed()]);
    const told = ({ events }: EventReader) => events.filter(({ event }) => event !== 'connected');
    expect(told(cut)).toEqual(told(whole));
    expect(cut.statuses).toEqual([...told(whole).map(() => 200), 204]);
    expect(cut.asked).toEqual([undefined, ...told(whole).map(({ id }) => id)]);
  });

  test('D4: with deltas it has the text while it is written, and the message that replaces it', async () => {
    const client = await world.connect();
    const { sessionId } = await openShared(client);
    const text = 'Some words now, and the others when the gate is open.';
    const prompt = scenario({ text, chunk: 4, gateAfter: { deltas: 5, gate: 'deltas' } });
    const promptId = await send(client, sessionId, prompt);
    await world.api.reached('deltas');
    const reader = read(`/api/sessions/${sessionId}/prompts/${promptId}/stream?deltas=true`);
    await reader.waitFor(() => textIn(reader) === text.slice(0, 20));
    expect(reader.of('message').map(({ data }) => data.role)).toEqual(['user']);
    world.api.release('deltas');
    await reader.waitFor('complete');
    expect(textIn(reader)).toBe(text);
    const [delta] = reader.of('delta');
    const message = reader.of('message').at(-1);
    expect(delta).toMatchObject({ id: '', data: { messageId: message?.data.messageId, blockIndex: 0 } });
    expect(message?.data).toMatchObject({ role: 'assistant', content: text, blockIndex: 0 });
  });

  test('says nothing of the turn before, and tells of a prompt that is dropped while it waits', async () => {
    const client = await world.connect();
    const { sessionId } = await openShared(client);
    const running = await send(client, sessionId, scenario({ text: 'First.', gate: 'before' }));
    const waiting = await send(client, sessionId, scenario({ text: 'Second.' }));
    const dropped = await send(client, sessionId, scenario({ text: 'Third.' }));
    const path = (promptId: string) => `/api/sessions/${sessionId}/prompts/${promptId}/stream`;
    const [first, second, third] = [running, waiting, dropped].map((promptId) => read(path(promptId)));
    if (!first || !second || !third) throw new Error('no readers');
    await Promise.all([first, second, third].map((reader) => reader.waitFor('connected')));
    await client.request('cancelPrompt', { promptId: dropped });
    expect((await third.waitFor('complete')).data).toMatchObject({ promptId: dropped, subtype: 'cancelled' });
    await third.closed();
    expect(third.events.map(({ event }) => event)).toEqual(['connected', 'complete']);
    world.api.release('before');
    await second.waitFor('complete');
    const contents = (reader: EventReader) => reader.of('message').map(({ data }) => data.content);
    expect(contents(first)).toEqual([expect.stringContaining('First.'), 'First.']);
    expect(contents(second)).toEqual([expect.stringContaining('Second.'), 'Second.']);
    expect(second.of('complete').map(({ data }) => data.promptId)).toEqual([waiting]);
    // A reader that comes after it.
    const late = read(path(dropped));
    await late.closed();
    expect(late.events.map(({ event }) => event)).toEqual(['connected', 'complete']);
  });

  test('O1: a prompt of another session, an unknown one and a malformed position are refused', async () => {
    const client = await world.connect();
    const { sessionId } = await openShared(client);
    const promptId = await send(client, sessionId, scenario({ text: 'Here.' }));
    await client.waitFor('streamComplete');
    const other = await client.request('streamStart', { prompt: '', workingDirectory: world.daemon.project() });
    expect(await get(`/api/sessions/${other.data.sessionId}/prompts/${promptId}/stream`)).toMatchObject({
      status: 400,
      error: { code: 'INVALID_REQUEST', details: { field: 'promptId' } },
    });
    expect(await get(`/api/sessions/${sessionId}/prompts/none/stream`)).toMatchObject({
      status: 404,
      error: { code: 'NOT_FOUND', details: { field: 'promptId' } },
    });
    for (const stream of [
      `sessions/${sessionId}/prompts/${promptId}/stream`,
      `sessions/${sessionId}/stream`,
      'stream',
    ]) {
      for (const bad of [
        'nonsense',
        '1',
        ':1',
        'epoch:-1',
        'epoch:1e3',
        `epoch:${'9'.repeat(17)}`,
        'e e:1',
        '\u00e9:1',
      ]) {
        const [field, answer] =
          bad === 'nonsense'
            ? ['Last-Event-ID', await get(`/api/${stream}`, { 'last-event-id': bad })]
            : ['after', await get(`/api/${stream}?after=${encodeURIComponent(bad)}`)];
        expect(answer).toMatchObject({
          status: 400,
          error: { code: 'INVALID_REQUEST', details: { field, rule: expect.stringContaining('must be') } },
        });
      }
      expect(await get(`/api/${stream}?deltas=maybe`)).toMatchObject({
        status: 400,
        error: { details: { field: 'deltas' } },
      });
    }
  });

  test('D3: a position of another epoch, or beyond the end, is answered by a reset that says so, and the whole', async () => {
    const client = await world.connect();
    const { sessionId } = await openShared(client);
    const promptId = await send(client, sessionId, scenario({ text: 'All of it.' }));
    const path = `/api/sessions/${sessionId}/prompts/${promptId}/stream`;
    const whole = read(path);
    await whole.closed();
    const { epoch } = whole.events[0]?.data ?? {};
    for (const [position, reason] of [
      ['another-epoch:1', 'epoch'],
      [`${epoch}:1000000`, 'ahead'],
    ]) {
      const reader = read(`${path}?after=${position}`);
      await reader.closed();
      const [connected, reset, ...others] = reader.events;
      expect(connected?.event).toBe('connected');
      expect(reset).toMatchObject({ event: 'reset', id: '', data: { reason, sessionId, epoch } });
      expect(reset?.data.error).toMatchObject({
        code: 'INVALID_REQUEST',
        details: { field: 'after', rule: expect.any(String) },
      });
      expect(others).toEqual(whole.events.slice(1));
    }
  });
});

describe('the stream of a session', () => {
  test('D3: begins at the head, names that position, and cut after every block it misses nothing', async () => {
    const client = await world.connect();
    const { sessionId } = await openShared(client);
    await send(client, sessionId, scenario({ text: 'Before.' }));
    await client.waitFor('streamComplete');
    await client.request('ping', {});
    const path = `/api/sessions/${sessionId}/stream`;
    const cut = read(path, { blocksEach: 1 });
    const whole = read(path);
    const connected = await whole.waitFor('connected');
    await cut.waitFor('connected');
    expect(connected.id).toBe(`${connected.data.epoch}:${connected.data.head}`);
    const tools = [{ name: 'Write', input: { file_path: 'new.txt', content: 'x' } }];
    const prompt = scenario({ text: 'May I?', tools }, { text: 'After.' });
    await send(client, sessionId, prompt);
    const asked = await whole.waitFor('permission_request');
    expect(asked.data).toMatchObject({ toolName: 'Write', permissionId: expect.any(String) });
    await client.request('permission', { sessionId, response: 'deny', remember: false });
    const complete = await whole.waitFor('complete');
    expect(whole.of('permission_resolved')[0]?.data).toMatchObject({ decision: 'deny' });
    expect(whole.events.map(({ data }) => data.content)).not.toContain('Before.');
    expect(whole.of('status').map(({ data }) => data.status)).toEqual(expect.arrayContaining(['working', 'waiting']));
    expect(idsOf(cut)).toEqual([]);
    cut.close();
    // One that gets one event of each connection.
    const stepwise = read(`${path}?after=${connected.id}`, { blocksEach: 2 });
    await stepwise.waitFor(({ id }) => id === complete.id);
    const upToEnd = (reader: EventReader) => idsOf(reader).slice(0, idsOf(reader).indexOf(complete.id) + 1);
    expect(upToEnd(stepwise)).toEqual(upToEnd(whole));
  });

  test('D3: a foreign position is answered by a reset with a snapshot', async () => {
    const client = await world.connect();
    const { sessionId } = await openShared(client);
    const reader = read(`/api/sessions/${sessionId}/stream`, { headers: { 'Last-Event-ID': 'another:5' } });
    const reset = await reader.waitFor('reset');
    expect(reset).toMatchObject({ id: '', data: { reason: 'epoch', snapshot: { permissions: [] } } });
    expect(reset.data.error.details).toMatchObject({ field: 'Last-Event-ID', rule: expect.stringContaining('epoch') });
  });

  test('an open permission request is there for a reader that comes later, without an id', async () => {
    const client = await world.connect();
    const { sessionId } = await openShared(client);
    const tools = [{ name: 'Write', input: { file_path: 'other.txt', content: 'x' } }];
    await send(client, sessionId, scenario({ text: 'May I?', tools }, { text: 'After.' }));
    const { data } = await client.waitFor('permissionRequest');
    const reader = read(`/api/sessions/${sessionId}/stream`);
    const request = await reader.waitFor('permission_request');
    expect(request).toMatchObject({ id: '', data: { permissionId: data.permissionId } });
    await client.request('permission', { sessionId, response: 'deny', remember: false });
    await reader.waitFor('complete');
  });

  test('S1: without a session, or a credential, there is no stream', async () => {
    expect(await get('/api/sessions/none/stream')).toMatchObject({ status: 404, error: { code: 'SESSION_NOT_FOUND' } });
    const bare = await fetch(`${world.daemon.url}/api/stream`);
    expect(bare.status).toBe(401);
    await bare.body?.cancel();
  });

  test('HEAD has the headers of an event stream, and ends', async () => {
    const response = await world.daemon.fetch('/api/stream', { method: 'HEAD', headers: { accept: '*/*' } });
    expect(response.status).toBe(200);
    const { headers } = response;
    expect(headers.get('content-type')).toBe('text/event-stream');
    expect(headers.get('x-accel-buffering')).toBe('no');
    expect(headers.get('cache-control')).toContain('no-transform');
  });
});

test('H2, D3: a reader outlives the daemon: it goes on at the next one, and has every event once', async () => {
  const client = await world.connect();
  const { sessionId } = await openShared(client);
  const text = 'Half of it before the daemon is killed, and half of it after that.';
  const prompt = scenario({ text, chunk: 4, gateAfter: { deltas: 5, gate: 'killed' } });
  // A daemon of these tests has another port each time.
  const follow: FetchText = (url, init) => fetch(url.replace(/^http:..[^/]*/, world.daemon.url), init);
  const reader = read(`/api/sessions/${sessionId}/stream?deltas=true`, { fetch: follow });
  await reader.waitFor('connected');
  const promptId = await send(client, sessionId, prompt);
  await reader.waitFor(() => textIn(reader) === text.slice(0, 20));
  await world.daemon.restart('SIGKILL');
  await reader.waitFor(() => reader.of('connected').length === 2);
  world.api.release('killed');
  expect((await reader.waitFor('complete')).data).toMatchObject({ promptId, result: text });
  expect(textIn(reader)).toBe(text);
  const ids = idsOf(reader);
  expect(new Set(ids).size).toBe(ids.length);
  const whole = read(`/api/sessions/${sessionId}/prompts/${promptId}/stream`, { fetch: follow });
  await whole.closed();
  expect(ids).toEqual(expect.arrayContaining(idsOf(whole)));
});

describe('the stream of all sessions', () => {
  test('D3: has every session, new ones too; cut after every event, nothing is missing or comes twice', async () => {
    const client = await world.connect();
    const { sessionId } = await openShared(client);
    const whole = read('/api/stream');
    const connected = await whole.waitFor('connected');
    expect(connected.data.sessions).toContainEqual(expect.objectContaining({ sessionId }));
    await send(client, sessionId, scenario({ text: 'In the old one.' }));
    const prompt = scenario({ text: 'In the new one.' });
    const started = await client.request('streamStart', { prompt, workingDirectory: world.daemon.project() });
    const ids = [sessionId, started.data.sessionId];
    const isDone = (reader: EventReader) =>
      ids.every((id) => reader.of('complete').some(({ data }) => data.sessionId === id));
    await whole.waitFor(() => isDone(whole));
    const stepwise = read(`/api/stream?after=${encodeURIComponent(connected.id)}`, { blocksEach: 2 });
    await stepwise.waitFor(() => isDone(stepwise));
    for (const id of ids) {
      const seqs = (reader: EventReader) =>
        reader.events.filter(({ data }) => data.sessionId === id && data.seq !== undefined);
      const [all, each] = [whole, stepwise].map((reader) =>
        seqs(reader).map(({ event, data }) => `${data.seq} ${event}`),
      );
      expect(each?.slice(0, all?.length)).toEqual(all?.slice(0, each?.length));
      expect(new Set(each).size).toBe(each?.length);
      expect(each?.some((one) => one.endsWith('complete'))).toBe(true);
    }
  });
});

/** The text of the last message that is being written, joined by its positions. */
function textIn(reader: EventReader): string {
  return reader
    .of('delta')
    .reduce(
      (text, { data: { offset, content } }) => (offset <= text.length ? text.slice(0, offset) + content : text),
      '',
    );
}
