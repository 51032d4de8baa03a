import { describe, expect, test } from '@jest/globals';
import { idle, type RoughServer } from './support/rough-server.js';
import { createRoughStage } from './support/rough-stage.js';
import { until } from './support/until.js';

const stage = createRoughStage();

const welcomed = async (server: RoughServer, nth: number) => {
  const connection = await server.connection(nth);
  connection.welcome();
  return connection;
};

const accepted = { promptId: 'p', sessionId: 's', position: 0, duplicate: false };

describe('a request', () => {
  test('gets the answer that carries its id, whatever the order', async () => {
    const { client, first } = await stage.connect();
    const one = client.request('setModel', { sessionId: 'one', model: 'opus' });
    const two = client.setPermissionMode({ sessionId: 'two', mode: 'plan' });
    const asked = await first.take('setModel');
    first.answer(await first.take('setPermissionMode'), 'sessionStatus', idle('two'));
    first.answer(asked, 'sessionStatus', idle('one'));
    expect(await two).toMatchObject({ sessionId: 'two' });
    expect(await one).toMatchObject({ type: 'sessionStatus', requestId: asked.requestId, data: { sessionId: 'one' } });
  });

  test('waits for the connection when there is none yet', async () => {
    const server = await stage.server();
    const { client } = stage.client(server);
    const ping = client.ping();
    const first = await welcomed(server, 1);
    first.answer(await first.take('ping'), 'pong', { serverTime: '2025-01-01T00:00:00.000Z' });
    expect(await ping).toEqual({ serverTime: '2025-01-01T00:00:00.000Z' });
  });

  test('is rejected with the error that carries its id', async () => {
    const { client, first } = await stage.connect();
    const request = client.interrupt({ sessionId: 'gone' });
    const details = { field: 'sessionId' };
    first.answer(await first.take('interrupt'), 'error', { code: 'SESSION_NOT_FOUND', message: 'No such.', details });
    await expect(request).rejects.toMatchObject({ name: 'CompanionError', code: 'SESSION_NOT_FOUND', details });
  });

  test('is rejected when no answer comes in time, and a late answer is ignored', async () => {
    const { client, first, told } = await stage.connect();
    const request = client.request('ping', {}, { timeoutMs: 10 });
    const ping = await first.take('ping');
    await expect(request).rejects.toMatchObject({ code: 'TIMEOUT' });
    first.answer(ping, 'pong', { serverTime: '2025-01-01T00:00:00.000Z' });
    first.answer(ping, 'error', { code: 'INTERNAL_ERROR', message: 'Too late.' });
    await until('the error is told', () => told.faults.length === 1);
    expect(told.faults).toMatchObject([{ kind: 'server', error: { code: 'INTERNAL_ERROR' } }]);
  });

  test('is rejected when its answer makes no sense', async () => {
    const { client, first, told } = await stage.connect();
    const bad = client.cancelPrompt({ promptId: 'p' });
    first.answer(await first.take('cancelPrompt'), 'promptCancelled', { promptId: 7 });
    await expect(bad).rejects.toMatchObject({ name: 'MalformedFrameError', frameType: 'promptCancelled' });
    const wrong = client.ping();
    first.answer(await first.take('ping'), 'presence', { state: 'foreground' });
    await expect(wrong).rejects.toMatchObject({ name: 'MalformedFrameError', frameType: 'presence' });
    expect(told.faults.map(({ kind }) => kind)).toEqual(['malformed', 'malformed']);
  });

  test('is rejected before it is sent when it is too large for a frame', async () => {
    const { client, first } = await stage.connect();
    const data = 'A'.repeat(13 * 1024 * 1024);
    const request = client.streamSend({ sessionId: 's', prompt: '', attachments: [{ mediaType: 'image/png', data }] });
    await expect(request).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
    expect(first.received).toEqual([]);
  });

  test('must not take the id of one that waits', async () => {
    const { client, first } = await stage.connect();
    const one = client.streamSend({ sessionId: 's', prompt: 'a' }, { requestId: 'same' });
    await expect(client.request('ping', {}, { requestId: 'same' })).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    first.answer(await first.take('streamSend'), 'promptAccepted', accepted);
    await one;
  });
});

describe('a request whose connection breaks', () => {
  test('I1: a prompt is sent again with the same request id, until it is answered', async () => {
    const { client, server, first } = await stage.connect();
    const request = client.streamSend({ sessionId: 's', prompt: 'once' });
    const sent = [await first.take('streamSend')];
    first.break();
    for (const nth of [2, 3]) {
      const connection = await welcomed(server, nth);
      sent.push(await connection.take('streamSend'));
      if (nth === 2) connection.close(1012);
      else connection.answer(sent[0] as (typeof sent)[0], 'promptAccepted', { ...accepted, duplicate: true });
    }
    expect(await request).toMatchObject({ promptId: 'p', duplicate: true });
    expect(new Set(sent.map(({ requestId }) => requestId)).size).toBe(1);
    expect(sent[0]).toEqual(sent[2]);
  });

  test('I2: an answer to a permission is sent again only when it names the permission', async () => {
    const { client, server, first } = await stage.connect();
    const answer = { sessionId: 's', response: 'allow', remember: false };
    const named = client.answerPermission({ ...answer, permissionId: 'one' });
    const unnamed = client.answerPermission(answer);
    const asked = await first.take('permission');
    await first.take('permission');
    first.break();
    await expect(unnamed).rejects.toMatchObject({ name: 'ConnectionError', reason: 'lost' });
    const second = await welcomed(server, 2);
    expect(await second.take('permission')).toEqual(asked);
    second.answer(asked, 'permissionAccepted', { permissionId: 'one', decision: 'allow' });
    expect(await named).toMatchObject({ decision: 'allow' });
    expect(second.received).toEqual([]);
  });

  test('requests are sent again in their order', async () => {
    const { client, server, first } = await stage.connect();
    const prompts = ['a', 'b', 'c'].map((prompt) => client.streamSend({ sessionId: 's', prompt }));
    await until('all were sent', () => first.received.length === 3);
    first.break();
    const second = await welcomed(server, 2);
    await until('all were sent again', () => second.received.length === 3);
    expect(second.received.map(({ data }) => (data as { prompt: string }).prompt)).toEqual(['a', 'b', 'c']);
    for (const frame of second.received) second.answer(frame, 'promptAccepted', accepted);
    await Promise.all(prompts);
  });

  test.each(['streamClose', 'ask', 'reauthenticate'] as const)('%s is not sent twice', async (type) => {
    const { client, server, first } = await stage.connect();
    const data = { sessionId: 's', reason: 'done', prompt: 'p', token: 't' };
    const request = client.request(type, data);
    await first.take(type);
    first.break();
    await expect(request).rejects.toMatchObject({ reason: 'lost' });
    await welcomed(server, 2);
    await until('the client is open', () => client.state.kind === 'open');
    expect(server.connections[1]?.received).toEqual([]);
  });

  test('what was never sent waits, whatever it is', async () => {
    const { client, server, first } = await stage.connect();
    first.break();
    await until('the client has noticed', () => client.state.kind !== 'open');
    const request = client.streamClose({ sessionId: 's', reason: 'done' });
    const second = await welcomed(server, 2);
    second.answer(await second.take('streamClose'), 'sessionStatus', idle('s'));
    expect(await request).toMatchObject({ sessionId: 's' });
  });

  test('relative paths mean the same folder on the next connection', async () => {
    const { client, server, first } = await stage.connect();
    const set = client.request('setWorkingDirectory', { workingDirectory: 'work' });
    first.answer(await first.take('setWorkingDirectory'), 'workingDirectorySet', {
      workingDirectory: '/home/me/work',
      success: true,
    });
    await set;
    const start = client.streamStart({ prompt: 'hi', workingDirectory: 'app' });
    await first.take('streamStart');
    first.break();
    const second = await welcomed(server, 2);
    await until('both were sent', () => second.received.length === 2);
    expect(second.received).toMatchObject([
      { type: 'setWorkingDirectory', data: { workingDirectory: '/home/me/work' } },
      { type: 'streamStart', data: { workingDirectory: 'app' } },
    ]);
    second.answer(await second.take('streamStart'), 'streamStarted', {
      sessionId: 's',
      workingDirectory: '/home/me/work/app',
      reused: false,
      promptId: 'p',
    });
    expect(await start).toMatchObject({ promptId: 'p' });
  });

  test('a new credential is used for the next connection', async () => {
    const { client, server, first } = await stage.connect({ token: 'old' });
    const request = client.request('reauthenticate', { token: 'new' });
    first.answer(await first.take('reauthenticate'), 'reauthenticated', { expiresAt: '2030-01-01T00:00:00.000Z' });
    await request;
    first.close(1012);
    expect((await server.connection(2)).request.headers.authorization).toBe('Bearer new');
  });
});
