/** What a request is, before it is a request of somebody: its address, its body, its upgrade, its text. */
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from '@jest/globals';
import { ROUTES } from '../../protocol/commands/rest.js';
import { createAddressOf, networkOf, parseAddress } from '../../routes/access/client-address.js';
import { TOKEN } from '../support/daemon.js';
import { askOver, upgradeStatus } from '../support/identity-world.js';
import { useWorld } from '../support/world.js';

const LIMIT = 10;
const world = useWorld({ environment: { LIMIT_FAILED: String(LIMIT), TRUST_PROXY: 'true' } });

const over = (method: string, path: string, options?: Parameters<typeof askOver>[3]) =>
  askOver(world.daemon, method, path, options);

/** Sends bytes as they are, and reads until the daemon closes. */
async function raw(...lines: string[]): Promise<string> {
  const socket = createConnection(Number(new URL(world.daemon.url).port), '127.0.0.1');
  await once(socket, 'connect');
  socket.write(lines.join('\r\n'));
  return text(socket);
}

describe('an address that a proxy names', () => {
  test.each([
    ['1.2.3.4', '1.2.3.4'],
    ['1.2.3.4:5678', '1.2.3.4'],
    [' 1.2.3.4 ', '1.2.3.4'],
    ['"1.2.3.4:5678"', '1.2.3.4'],
    ['for=1.2.3.4', '1.2.3.4'],
    ['for="[2001:db8::1]:443"', '2001:db8::1'],
    ['[::1]:443', '::1'],
    ['[::1]', '::1'],
    ['2001:DB8:0:0::1', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::ffff:1.2.3.4', '1.2.3.4'],
    ['::ffff:102:304', '1.2.3.4'],
    ['[::ffff:1.2.3.4]:99', '1.2.3.4'],
  ])('%s is %s', (said, address) => {
    expect(parseAddress(said)).toBe(address);
  });

  test.each([
    '',
    'unknown',
    '_hidden',
    'for=_x',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '1.2.3.4:',
    '1.2.3.4:123456',
    '[1.2.3.4',
    '::1::',
    '[::g]',
    'example.org',
    '1.2.3.4, 5.6.7.8',
  ])('%p is none', (said) => {
    expect(parseAddress(said)).toBeUndefined();
  });

  test.each([false, true])('of a connection that has ended is the one that it had, or unknown (proxy: %s)', (proxy) => {
    const addressOf = createAddressOf(proxy);
    const request = { socket: { remoteAddress: '::ffff:203.0.113.7' }, headers: {} };
    expect(addressOf(request as never)).toBe('203.0.113.7');
    Object.assign(request, { socket: null });
    expect(addressOf(request as never)).toBe('203.0.113.7');
    expect(addressOf({ socket: null, headers: {} } as never)).toBe('unknown');
  });

  test.each([
    ['1.2.3.4:1', '1.2.3.4:2'],
    ['::ffff:1.2.3.4', '1.2.3.4'],
    ['2001:db8:1:2::1', '[2001:DB8:1:2:ffff::9]:443'],
  ])('%s and %s are counted together', (one, other) => {
    expect(networkOf(one)).toBe(networkOf(other));
  });

  /** So many wrong tokens, each with another header; the statuses that come after as many as are looked at. */
  const attack = async (headerOf: (nth: number) => string) => {
    const statuses: number[] = [];
    for (let nth = 1; nth <= 2 * LIMIT; nth += 1) {
      const answer = await over('GET', '/api/auth/me', {
        token: `wrong-${nth}`,
        headers: { 'x-forwarded-for': headerOf(nth) },
      });
      statuses.push(answer.status);
    }
    return [...new Set(statuses.slice(LIMIT))];
  };

  test.each([
    ['with another port', (nth: number) => `203.0.113.1:${40_000 + nth}`],
    ['of one IPv6 network with another port', (nth: number) => `[2001:db8:7::${nth}]:${40_000 + nth}`],
    ['behind what the client wrote', (nth: number) => `10.0.0.${nth}, 203.0.113.2:${nth}`],
    [
      'before proxies of this machine with ports',
      (nth: number) => `203.0.113.3:${nth}, 127.0.0.1:${nth}, [::1]:${nth}`,
    ],
    ['as garbage', (nth: number) => `garbage-${nth}`],
    ['behind garbage', (nth: number) => `203.0.113.${nth}, garbage-${nth}`],
  ])('S1: somebody who tries tokens is kept out, %s each time', async (_how, headerOf) => {
    expect(await attack(headerOf)).toEqual([429]);
  });

  test('S1: others are not locked out by that', async () => {
    const answer = await over('GET', '/api/auth/me', {
      token: 'wrong',
      headers: { 'x-forwarded-for': '198.51.100.9:1' },
    });
    expect(answer.status).toBe(401);
  });
});

/** A route's path with something in the place of each parameter. */
const pathOf = (path: string) => path.replaceAll(/[:*]\w+/g, 'x');
const WITH_BODY = ROUTES.filter(({ method, local }) => ['POST', 'PUT', 'PATCH'].includes(method) && !local);

describe('a body', () => {
  test.each(WITH_BODY.map(({ method, path }) => [method, path] as const))(
    'O1: of %s %s that is not said to be JSON is refused, naming the content type',
    async (method, path) => {
      for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=utf-16', '']) {
        const init: RequestInit = {
          method,
          headers: { authorization: `Bearer ${TOKEN}`, 'content-type': type, 'x-forwarded-for': '192.0.2.77' },
          body: Buffer.from(JSON.stringify({ workingDirectory: world.daemon.root })),
        };
        const answer = await fetch(`${world.daemon.url}${pathOf(path)}`, init);
        const { error } = (await answer.json()) as { error: object };
        expect({ path, type, status: answer.status, error }).toMatchObject({
          status: 415,
          error: {
            code: 'INVALID_REQUEST',
            details: { field: 'content-type', rule: 'must be application/json in UTF-8' },
          },
        });
      }
    },
  );

  test('that is empty needs no content type', async () => {
    const answer = await over('POST', '/api/auth/ticket', { token: TOKEN, headers: { 'content-type': 'text/plain' } });
    expect(answer.status).toBe(200);
  });

  test('O1: with half of a surrogate pair in it is refused, naming the field, and a whole pair as escapes is not', async () => {
    const send = async (body: string) => {
      const answer = await fetch(`${world.daemon.url}/api/sessions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
        body,
      });
      return { status: answer.status, body: await answer.json() };
    };
    const workingDirectory = world.daemon.project();
    const bodyWith = (context: string) =>
      `{"workingDirectory":${JSON.stringify(workingDirectory)},"metadata":{"a":["${context}"]}}`;
    expect(await send(bodyWith('\\ud83d'))).toMatchObject({
      status: 400,
      body: { error: { details: { field: 'metadata.a.0', rule: 'must not hold half of a surrogate pair' } } },
    });
    expect(await send(bodyWith('\\ud83d\\ude00'))).toMatchObject({ status: 201, body: { metadata: { a: ['😀'] } } });
  });
});

test('O1: a frame with half of a surrogate pair anywhere is refused, and nothing of it is echoed', async () => {
  const client = await world.connect();
  const ill = async (frame: string) => {
    const before = client.frames.length;
    client.sendRaw(frame);
    return client.waitFor(() => true, before);
  };
  const error = (field: string, requestId: string | null) => ({
    type: 'error',
    requestId,
    data: { code: 'INVALID_REQUEST', details: { field, rule: 'must not hold half of a surrogate pair' } },
  });
  expect(await ill('{"type":"ping","requestId":"a\\udc00","data":{}}')).toMatchObject(error('requestId', null));
  expect(await ill('{"type":"getMessageHistory","requestId":"b","data":{"sessionId":"\\uD800x"}}')).toMatchObject(
    error('sessionId', 'b'),
  );
  expect(await ill('{"type":"ping","requestId":"c","data":{"\\ud800":1}}')).toMatchObject(error('data', 'c'));
  expect(await ill('{"type":"ping","requestId":"\\ud83d\\ude00","data":{}}')).toMatchObject({
    type: 'pong',
    requestId: '😀',
  });
});

describe('an upgrade', () => {
  const head = ['Host: 127.0.0.1', `Authorization: Bearer ${TOKEN}`];

  test('to something else than a WebSocket is ignored, and the request served, with its body', async () => {
    const offer = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk'];
    const got = await raw('GET /api/auth/me HTTP/1.1', ...head, ...offer, '', '');
    expect(got).toMatch(/^HTTP\/1\.1 200 /);
    expect(got).toContain('"role":"owner"');
    const body = JSON.stringify({ workingDirectory: world.daemon.project() });
    const lines = ['Content-Type: application/json', `Content-Length: ${body.length}`];
    expect(await raw('POST /api/sessions HTTP/1.1', ...head, ...offer, ...lines, '', body)).toMatch(/^HTTP\/1\.1 201 /);
  });

  test('S1: to something else needs a credential like any request', async () => {
    const offer = ['Connection: Upgrade', 'Upgrade: h2c'];
    expect(await raw('GET /api/sessions HTTP/1.1', 'Host: 127.0.0.1', ...offer, '', '')).toMatch(/^HTTP\/1\.1 401 /);
  });

  test.each([
    ['token', TOKEN],
    ['ticket', 'one'],
  ])('S1: with the query parameter %s twice shows no credential', async (name, value) => {
    const from = { 'x-forwarded-for': '198.51.100.7' };
    expect(await upgradeStatus(world.daemon, `/ws?${name}=${value}&${name}=other`, from)).toBe(401);
    expect(await upgradeStatus(world.daemon, `/ws?${name}=other&${name}=${value}`, from)).toBe(401);
  });

  test('O1: that names its device twice is refused', async () => {
    const path = `/ws?token=${TOKEN}&deviceId=phone&deviceId=tablet`;
    expect(await upgradeStatus(world.daemon, path)).toBe(400);
    expect(await upgradeStatus(world.daemon, `/ws?token=${TOKEN}&deviceId=phone`)).toBe(101);
  });

  test.each([
    ['without a key', 'GET', ['Sec-WebSocket-Version: 13']],
    ['of another version', 'GET', ['Sec-WebSocket-Version: 7', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']],
    ['by another method', 'POST', ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']],
  ])('O1: to a WebSocket %s is refused with the error body of REST', async (_what, method, lines) => {
    const got = await raw(
      `${method} /ws HTTP/1.1`,
      ...head,
      'Connection: Upgrade',
      'Upgrade: websocket',
      ...lines,
      '',
      '',
    );
    expect(got).toMatch(/^HTTP\/1\.1 400 /);
    const { error } = JSON.parse(got.slice(got.indexOf('\r\n\r\n'))) as { error: object };
    expect(error).toMatchObject({ code: 'INVALID_REQUEST', details: { field: 'upgrade' } });
  });
});

describe('/ in a browser', () => {
  const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';
  const open = (headers: Record<string, string>) => fetch(world.daemon.url, { headers });

  test('is the console: a page without script of its own, form or secret, which loads nothing from elsewhere', async () => {
    const answer = await open({ accept: BROWSER });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(answer.headers.get('cache-control')).toBe('no-cache');
    const policy = answer.headers.get('content-security-policy') ?? '';
    for (const rule of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", 'trusted-types companion'])
      expect(policy.split('; ')).toContain(rule);
    expect(policy).not.toMatch(/unsafe|https?:/);
    const page = await answer.text();
    expect(page).not.toMatch(/<script(?![^>]* src="\/assets\/)|<form|<style|https?:\/\/| on\w+=/i);
    for (const secret of [TOKEN, world.daemon.home, world.daemon.root]) expect(page).not.toContain(secret);
    expect(await (await open({ accept: BROWSER, authorization: `Bearer ${TOKEN}` })).text()).toBe(page);
  });

  test('what the page loads is kept for ever, comes compressed, and only to those who name this daemon', async () => {
    const page = await (await open({ accept: BROWSER })).text();
    const assets = [...page.matchAll(/"(\/assets\/[^"]+)"/g)].map(([, path]) => `${world.daemon.url}${path}`);
    expect(assets.length).toBeGreaterThan(1);
    let atStart = 0;
    for (const asset of assets) {
      const answers = await Promise.all(
        ['br', 'gzip', 'identity'].map((encoding) => fetch(asset, { headers: { 'accept-encoding': encoding } })),
      );
      expect(answers.map(({ headers }) => headers.get('content-encoding'))).toEqual(['br', 'gzip', null]);
      for (const { headers } of answers) {
        expect(headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
        expect(headers.get('vary')).toContain('Accept-Encoding');
        expect(headers.get('x-content-type-options')).toBe('nosniff');
      }
      atStart += Number(answers[1]?.headers.get('content-length'));
      const [brotli, gzip, plain] = await Promise.all(answers.map((answer) => answer.text()));
      expect([brotli, gzip]).toEqual([plain, plain]);
      const etag = answers[0]?.headers.get('etag') ?? '';
      expect((await fetch(asset, { headers: { 'accept-encoding': 'br', 'if-none-match': etag } })).status).toBe(304);
      const path = new URL(asset).pathname;
      const got = await raw(`GET ${path} HTTP/1.1`, 'Host: evil.example', 'Connection: close', '', '');
      expect(got).toMatch(/^HTTP\/1\.1 403 /);
    }
    expect(atStart).toBeLessThan(180 * 1024);
  });

  test.each(['/index.html', '/.sources', '/assets', '/assets/', '/assets/..%2f..%2fpackage.json', '/main.tsx'])(
    'nothing else of its folder is there: %s',
    async (path) => {
      expect((await fetch(`${world.daemon.url}${path}`)).status).toBe(401);
    },
  );

  test.each([['*/*'], ['application/json'], ['text/*']])(
    'other clients (Accept: %s) get what they got',
    async (accept) => {
      const answer = await open({ accept });
      expect(answer.status).toBe(401);
      expect(await answer.json()).toMatchObject({ error: { code: 'UNAUTHORIZED' } });
    },
  );
});
