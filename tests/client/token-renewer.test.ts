import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createTokenRenewer, type TokenRenewerOptions } from '../../client/index.js';
import { type RoughServer, startRoughServer } from './support/rough-server.js';
import { until } from './support/until.js';

interface Call {
  request: IncomingMessage;
  body: { refreshToken: string; requestId: string };
  answer(status: number, body: object, headers?: Record<string, string>): void;
  /** Ends the connection in the place of an answer. */
  lose(): void;
}

let server: RoughServer | undefined;
afterEach(() => server?.close());

/** A daemon whose answers are a test's, and what is saved. */
async function start(options: Partial<TokenRenewerOptions> = {}) {
  const calls: Call[] = [];
  const respond = (request: IncomingMessage, response: ServerResponse) => {
    let text = '';
    request.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    request.on('end', () => {
      const answer: Call['answer'] = (status, body, headers = {}) => {
        response.writeHead(status, { 'Content-Type': 'application/json', Connection: 'close', ...headers });
        response.end(JSON.stringify(body));
      };
      calls.push({ request, body: JSON.parse(text) as Call['body'], answer, lose: () => response.destroy() });
    });
  };
  const started = await startRoughServer(undefined, respond);
  server = started;
  const saved: [string, string][] = [];
  const save = async (...kept: [string, string]) => void saved.push(kept);
  const renew = createTokenRenewer({ url: started.url, refreshToken: 'r1', save, ...options });
  const call = async (nth: number) => {
    await until(`call ${nth} came`, () => calls.length >= nth);
    return calls[nth - 1] as Call;
  };
  return { renew, call, calls, saved };
}

const pair = (nth: number) => ({ accessToken: `a${nth}`, refreshToken: `r${nth}`, deviceId: 'd', newer: true });
const errorBody = (code: string, details?: object) => ({
  error: { code, message: 'Because.', status: 0, requestId: 'x', ...(details && { details }) },
});

describe('a renewer of tokens', () => {
  test('exchanges its refresh token, and the next time the one that it got', async () => {
    const { renew, call, saved } = await start();
    const first = renew();
    const { request, body, answer } = await call(1);
    expect([request.method, request.url]).toEqual(['POST', '/api/auth/refresh']);
    expect(body).toEqual({ refreshToken: 'r1', requestId: expect.stringMatching(/^[0-9a-f]{32}$/) as unknown });
    answer(200, pair(2));
    expect(await first).toBe('a2');
    const second = renew();
    const next = await call(2);
    expect(saved).toEqual([['r2', next.body.requestId]]);
    expect(next.body).toMatchObject({ refreshToken: 'r2' });
    expect(next.body.requestId).not.toBe(body.requestId);
    next.answer(200, pair(3));
    expect(await second).toBe('a3');
  });

  test('goes on with the request that was saved', async () => {
    const { renew, call } = await start({ requestId: 'kept' });
    const renewed = renew();
    const { body, answer } = await call(1);
    expect(body).toEqual({ refreshToken: 'r1', requestId: 'kept' });
    answer(200, pair(2));
    await renewed;
  });

  test('gives an access token only when what it needs for the next one is saved', async () => {
    let save: () => void = () => undefined;
    let saving = false;
    const { renew, call } = await start({
      save: () => {
        saving = true;
        return new Promise((resolve) => {
          save = resolve;
        });
      },
    });
    let token = '';
    const renewed = renew().then((given) => {
      token = given;
    });
    (await call(1)).answer(200, pair(2));
    await until('it is being saved', () => saving);
    expect(token).toBe('');
    save();
    await renewed;
    expect(token).toBe('a2');
  });

  test('runs one renewal at a time', async () => {
    const { renew, call, calls } = await start();
    const renewed = [renew(), renew()];
    (await call(1)).answer(200, pair(2));
    expect(await Promise.all(renewed)).toEqual(['a2', 'a2']);
    expect(calls).toHaveLength(1);
  });

  test.each<[string, (call: Call) => void]>([
    ['was lost', ({ lose }) => lose()],
    ['was an error of the daemon', ({ answer }) => answer(500, errorBody('INTERNAL_ERROR'))],
    ['made no sense', ({ answer }) => answer(200, { accessToken: 'a2' })],
    ['led elsewhere', ({ answer }) => answer(307, {}, { Location: '/elsewhere' })],
  ])('repeats the same request when the answer %s', async (_what, spoil) => {
    const { renew, call, calls, saved } = await start();
    const [failed] = [expect(renew()).rejects.toThrow(), call(1).then(spoil)];
    await failed;
    const renewed = renew();
    const again = await call(2);
    expect([again.request.url, again.body]).toEqual(['/api/auth/refresh', calls[0]?.body]);
    expect(saved).toEqual([]);
    again.answer(200, pair(2));
    expect(await renewed).toBe('a2');
  });

  test('repeats the same request when its answer could not be saved', async () => {
    const saves = [() => Promise.reject(new Error('disk full')), async () => undefined];
    const { renew, call, calls } = await start({ save: () => saves.shift()?.() as Promise<void> });
    const failed = expect(renew()).rejects.toThrow('disk full');
    (await call(1)).answer(200, pair(2));
    await failed;
    const renewed = renew();
    const again = await call(2);
    expect(again.body).toEqual(calls[0]?.body);
    again.answer(200, pair(2));
    expect(await renewed).toBe('a2');
  });

  test('gives up a request that has no answer', async () => {
    const { renew } = await start({ timeoutMs: 20 });
    await expect(renew()).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  test.each<[number, object, object]>([
    [401, errorBody('UNAUTHORIZED'), { name: 'ConnectionError', reason: 'unauthorized', message: 'Because.' }],
    [401, {}, { name: 'ConnectionError', reason: 'unauthorized' }],
    [
      429,
      errorBody('RATE_LIMITED', { retryAfterMs: 5 }),
      { name: 'CompanionError', code: 'RATE_LIMITED', details: { retryAfterMs: 5 } },
    ],
    [502, { html: true }, { name: 'Error', message: 'The renewal was answered with 502.' }],
    [200, { accessToken: 'a2' }, { name: 'MalformedFrameError' }],
  ])('says why the daemon has not renewed: %d with %j', async (status, body, error) => {
    const { renew, call } = await start();
    const failed = expect(renew()).rejects.toMatchObject(error);
    (await call(1)).answer(status, body);
    await failed;
  });

  test.each<[string, object]>([
    ['url', { url: 'ftp://127.0.0.1' }],
    ['url', { url: 'nonsense' }],
    ['refreshToken', { refreshToken: '' }],
    ['refreshToken', { refreshToken: 'x'.repeat(513) }],
    ['requestId', { requestId: '' }],
  ])('names an option that cannot be: %s in %j', (field, options) => {
    const usual = { url: 'ws://127.0.0.1/ws', refreshToken: 'r1', save: async () => undefined };
    expect(() => createTokenRenewer({ ...usual, ...options })).toThrow(
      expect.objectContaining({ code: 'INVALID_REQUEST', details: expect.objectContaining({ field }) as unknown }),
    );
  });
});
