/** Bodies of HTTP answers are compressed from 1 KiB on, for clients that take it, and never where that would harm. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { TOKEN } from '../support/daemon.js';
import { useWorld } from '../support/world.js';

const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');
const world = useWorld({ environment: { CLAUDE_PATH } });

const decoders: Record<string, (body: Buffer) => Buffer> = {
  gzip: gunzipSync,
  br: brotliDecompressSync,
  deflate: inflateSync,
  identity: (body) => body,
};

interface Asked {
  encoding?: string;
  method?: string;
  headers?: Record<string, string>;
}

/** Sends a request as it is told, and returns the answer before its body was read. */
async function ask(path: string, { encoding, method = 'GET', headers = {} }: Asked = {}): Promise<IncomingMessage> {
  const sent = request(`${world.daemon.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${TOKEN}`,
      ...(encoding !== undefined && { 'accept-encoding': encoding }),
      ...headers,
    },
  });
  sent.end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return response;
}

async function read(path: string, asked: Asked = {}) {
  const response = await ask(path, asked);
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const encoding = response.headers['content-encoding'] ?? 'identity';
  return {
    status: response.statusCode,
    headers: response.headers,
    encoding,
    body,
    text: decoders[encoding]?.(body).toString(),
  };
}

let sessionId = '';
/** An answer of some KiB that stays as it is. */
const LONG = '/openapi.json';

beforeAll(async () => {
  const workingDirectory = world.daemon.project();
  writeFileSync(join(workingDirectory, 'long.txt'), 'A line of which there are many.\n'.repeat(200));
  const headers = { 'content-type': 'application/json' };
  const opened = await world.daemon.fetch('/api/sessions', {
    method: 'POST',
    headers,
    body: JSON.stringify({ workingDirectory }),
  });
  ({ sessionId } = (await opened.json()) as { sessionId: string });
});

describe('a long answer', () => {
  test.each([
    ['gzip', 'gzip'],
    ['br', 'br'],
    ['gzip, deflate, br', 'br'],
    ['gzip;q=1.0, br;q=0.5', 'gzip'],
    ['br;q=0, gzip', 'gzip'],
    ['deflate', 'deflate'],
    ['*', 'br'],
    ['zstd', 'identity'],
    ['identity', 'identity'],
    ['gzip;q=high', 'identity'],
    [undefined, 'identity'],
  ])('is sent for %s as %s, and says the same', async (encoding, expected) => {
    const plain = await read(LONG);
    const answer = await read(LONG, { ...(encoding !== undefined && { encoding }) });
    expect(answer).toMatchObject({ status: 200, encoding: expected, text: plain.text });
    expect(answer.headers.vary).toMatch(/Accept-Encoding/i);
    if (expected !== 'identity') expect(answer.body.length).toBeLessThan(plain.body.length / 4);
  });

  test('keeps the name of its version: who has it is told so, whatever the encoding', async () => {
    const path = `/api/sessions/${sessionId}`;
    const { etag = '' } = (await read(path, { encoding: 'gzip' })).headers;
    expect(etag).not.toBe('');
    const again = await read(path, { encoding: 'br', headers: { 'if-none-match': etag } });
    expect([again.status, again.body.length]).toEqual([304, 0]);
  });

  test('can be left in the middle: the daemon goes on', async () => {
    for (let round = 0; round < 20; round += 1) (await ask(LONG, { encoding: 'gzip' })).destroy();
    expect((await read(LONG, { encoding: 'gzip' })).status).toBe(200);
  });
});

describe('is not compressed', () => {
  test('an answer below 1 KiB, an error, and the answer to HEAD', async () => {
    for (const [path, method] of [
      ['/api/keys', 'GET'],
      ['/nothing', 'GET'],
      [LONG, 'HEAD'],
    ] as const) {
      const { encoding, body } = await read(path, { encoding: 'gzip', method });
      expect({ path, encoding }).toEqual({ path, encoding: 'identity' });
      expect(body.length).toBeLessThan(1024);
    }
  });

  test('a stream of events, whose parts arrive at once', async () => {
    const response = await ask('/api/stream', { encoding: 'gzip, br', headers: { accept: 'text/event-stream' } });
    expect(response.statusCode).toBe(200);
    expect(response.headers['content-encoding']).toBeUndefined();
    const [first] = (await once(response, 'data')) as [Buffer];
    expect(first.toString()).toMatch(/^(?:event|retry|:)/);
    response.destroy();
  });

  test('the bytes of a file, of which parts can be had', async () => {
    const path = `/api/sessions/${sessionId}/files/long.txt?raw=true`;
    const whole = await read(path, { encoding: 'gzip' });
    expect(whole).toMatchObject({ status: 200, encoding: 'identity' });
    expect(whole.body.length).toBeGreaterThan(1024);
    const part = await read(path, { encoding: 'gzip', headers: { range: 'bytes=100-2999' } });
    expect(part).toMatchObject({ status: 206, encoding: 'identity' });
    expect(part.body.equals(whole.body.subarray(100, 3000))).toBe(true);
  });
});
