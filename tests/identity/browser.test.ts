/** What pages of other sites can do to the daemon from within a real browser, and what those can that it was told of. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { WebSocketServer } from 'ws';
import { type Browser, findChromium, type OpenPage, type Site, startBrowser, startSite } from '../support/browser.js';
import { type Daemon, startDaemon, TOKEN } from '../support/daemon.js';
import { askLocally, askOver } from '../support/identity-world.js';
import { waitUntil } from '../support/wait-until.js';

const base64url = (text: string) => Buffer.from(text).toString('base64url');
const PROTOCOLS = ['companion.v1', `companion.bearer.${base64url(TOKEN)}`];
const BEARER = { authorization: `Bearer ${TOKEN}` };
const DEVICE = { deviceName: 'stolen', platform: 'web' };
const START_MS = 60_000;

const chromiumPath = findChromium();

if (chromiumPath === undefined) {
  test('NOT RUN, since chromium is not installed: pages of other sites in a real browser', () => {
    // The machine of the checks sets it: there this file has to run.
    expect(process.env.REQUIRE_CHROMIUM).not.toBe('1');
  });
} else {
  describe('in a real browser', () => inBrowser(chromiumPath));
}

interface Named {
  id: string;
  sessionName?: string;
}

function inBrowser(path: string): void {
  let site: Site;
  let daemon: Daemon;
  let browser: Browser;
  const cleanUp: (() => unknown)[] = [];

  beforeAll(async () => {
    site = await startSite();
    cleanUp.push(() => site.close());
    daemon = await startDaemon({
      apiUrl: 'http://127.0.0.1:1',
      environment: {
        // What strangers are refused is logged there alone.
        LOG_LEVEL: 'debug',
        ALLOWED_ORIGINS: `http://app.example:${site.port}`,
      },
    });
    cleanUp.push(() => daemon.stop());
    browser = await startBrowser({ path, names: ['evil.example', 'app.example', 'rebound.example'] });
    cleanUp.push(() => browser.close());
  }, START_MS);
  afterAll(async () => {
    for (const end of cleanUp.toReversed()) await end();
  });

  const pageOf = (name: string, where = '/') => browser.open(`http://${name}:${site.port}${where}`);

  test('S1: the documents are pages without a script that ask nobody else for anything, and whose links lead somewhere', async () => {
    const { page, status } = await browser.open(`${daemon.url}/docs`);
    expect(status).toBe(401);
    await page.setExtraHTTPHeaders(BEARER);
    await page.goto(`${daemon.url}/docs`);
    const links = await page.locator('nav a').evaluateAll((all) => all.map((one) => one.getAttribute('href') ?? ''));
    expect(links.length).toBeGreaterThan(5);
    for (const link of links.filter((one) => !one.endsWith('.json'))) {
      await page.goto(`${daemon.url}${link}`);
      const scripts = await page.locator('script').count();
      const loaded = await page.evaluate(
        "performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname)",
      );
      const targets = await page
        .locator('a[href^="#"]')
        .evaluateAll((all) => all.map((one) => one.getAttribute('href')));
      const ids = await page.locator('[id]').evaluateAll((all) => all.map((one) => `#${one.id}`));
      const broken = targets.filter((target) => !ids.includes(`${target}`));
      expect({ link, scripts, loaded, broken }).toEqual({ link, scripts: 0, loaded: ['/docs/style.css'], broken: [] });
    }
  });
  const portOf = () => new URL(daemon.url).port;
  const wsUrl = (query = '', name = '127.0.0.1') => `ws://${name}:${portOf()}/ws${query}`;
  const openCode = async () => (await askLocally<{ code: string }>(daemon, 'POST', '/local/pair', {})).code;
  /** What the daemon's log says that it has answered. */
  const answered = (method: string, route: string) =>
    readFileSync(join(daemon.home, 'logs/companion.log'), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { method?: string; path?: string; status?: number })
      .filter((line) => line.method === method && line.path === route)
      .map(({ status }) => status);
  const wasAnswered = (method: string, route: string, status: number) =>
    waitUntil(`${method} ${route} was answered ${status}`, () => answered(method, route).includes(status));
  const connections = async () => {
    const text = await (await daemon.fetch('/metrics')).text();
    return Number(/^companion_connections (\d+)$/m.exec(text)?.[1] ?? 0);
  };

  /** Everything that a page can try with credentials that it has, and that it must not get through with. */
  async function expectShutOut(attacker: OpenPage, name = '127.0.0.1'): Promise<void> {
    const { ticket } = await ticketOf(daemon);
    const before = await connections();
    const sockets = [
      await attacker.do('socket', { url: wsUrl('', name), protocols: PROTOCOLS }),
      await attacker.do('socket', { url: wsUrl(`?token=${TOKEN}`, name) }),
      await attacker.do('socket', { url: wsUrl(`?ticket=${ticket}`, name) }),
      await attacker.do('socket', { url: wsUrl('', name) }),
    ];
    for (const socket of sockets) expect(socket).toEqual({ opened: false, code: 1006, reason: '' });
    expect(await connections()).toBe(before);
    // The ticket was not even looked at: it is still good for whom it was made.
    const friend = await pageOf('app.example');
    expect(await friend.do('socket', { url: wsUrl(`?ticket=${ticket}`) })).toMatchObject({ opened: true });
    await friend.page.close();
  }

  /** Requests that browsers send without asking beforehand, with all that makes a device. */
  async function expectNothingChanged(attacker: OpenPage): Promise<void> {
    const code = await openCode();
    const url = `${daemon.url}/api/auth/pair`;
    const text = JSON.stringify({ code, ...DEVICE });
    const devices = () => askLocally<{ devices: unknown[] }>(daemon, 'GET', '/local/devices');
    const before = await devices();
    for (const mode of ['no-cors', 'cors']) {
      const init = { method: 'POST', mode, headers: { 'content-type': 'text/plain' }, body: text };
      expect(await attacker.do('ask', { url, init })).toEqual({ failed: 'TypeError' });
    }
    const submitted = await attacker.do<{ readable: string | null }>('submit', { url, text });
    expect(submitted.readable ?? '').not.toContain('accessToken');
    expect(await attacker.do('beacon', { url: `${url}/`, text })).toBe(true);
    await wasAnswered('POST', '/api/auth/pair/', 403);
    // Both fetches and the form have come as far as this.
    expect(answered('POST', '/api/auth/pair').slice(-3)).toEqual([403, 403, 403]);
    expect(await devices()).toEqual(before);
    const paired = await askOver(daemon, 'POST', '/api/auth/pair', { body: { code, ...DEVICE } });
    expect(paired.status).toBe(200);
  }

  describe('a page of another site', () => {
    test('opens a WebSocket to a server that does not look who asks, which is what the next ones rely on', async () => {
      const open = new WebSocketServer({ host: '127.0.0.1', port: 0 });
      await once(open, 'listening');
      open.on('connection', (socket) => socket.send('come in'));
      const attacker = await pageOf('evil.example');
      const { port } = open.address() as AddressInfo;
      expect(await attacker.do('socket', { url: `ws://127.0.0.1:${port}/` })).toMatchObject({ message: 'come in' });
      open.close();
    });

    test.each(['/', '/sandboxed'])('S1: at %s opens no WebSocket, whatever credential it has', async (where) => {
      await expectShutOut(await pageOf('evil.example', where));
    });

    test.each(['/', '/sandboxed'])('S1: at %s reads nothing, not even whether the daemon is up', async (where) => {
      const attacker = await pageOf('evil.example', where);
      for (const route of ['/live', '/health', '/api/sessions', '/api/auth/me']) {
        const url = `${daemon.url}${route}`;
        for (const init of [{}, { headers: BEARER }, { headers: { 'x-api-key': TOKEN } }, { mode: 'no-cors' }]) {
          expect(await attacker.do('ask', { url, init })).toEqual({ failed: 'TypeError' });
        }
        expect(await attacker.do('script', { url })).toBe('refused');
      }
      // The browser has asked, and the daemon has refused.
      await wasAnswered('OPTIONS', '/api/sessions', 403);
    });

    test('S1: pairs nothing and uses no code up, by a simple POST, a form or a beacon', async () => {
      await expectNothingChanged(await pageOf('evil.example'));
    });

    test('S1: without an origin does no more than that', async () => {
      await expectNothingChanged(await pageOf('evil.example', '/sandboxed'));
    });

    test('S1: has no session begun, changed or closed, although it has a credential', async () => {
      const workingDirectory = daemon.project('theirs');
      const made = await askOver<{ id: string }>(daemon, 'POST', '/api/sessions', {
        token: TOKEN,
        body: { workingDirectory },
      });
      const sessions = async () => {
        const answer = await askOver<{ sessions: Named[] }>(daemon, 'GET', '/api/sessions', { token: TOKEN });
        return answer.body.sessions.map(({ id, sessionName }) => ({ id, sessionName }));
      };
      const before = await sessions();
      const attacker = await pageOf('evil.example');
      const headers = { ...BEARER, 'content-type': 'application/json' };
      for (const [method, route, body] of [
        ['POST', '/api/sessions', { workingDirectory: daemon.project('evil') }],
        ['PATCH', `/api/sessions/${made.body.id}`, { sessionName: 'evil' }],
        ['DELETE', `/api/sessions/${made.body.id}`, undefined],
        ['POST', '/api/auth/ticket', undefined],
      ] as const) {
        const init = { method, headers, ...(body && { body: JSON.stringify(body) }) };
        expect(await attacker.do('ask', { url: `${daemon.url}${route}`, init })).toEqual({ failed: 'TypeError' });
      }
      expect(await sessions()).toEqual(before);
    });
  });

  describe('a page whose name was made to lead here (DNS rebinding)', () => {
    const reboundUrl = () => `http://rebound.example:${portOf()}`;

    test('S1: is answered 403 as a page', async () => {
      const { page, status } = await browser.open(`${reboundUrl()}/`);
      expect(status).toBe(403);
      expect(await page.textContent('body')).toContain('PERMISSION_DENIED');
    });

    test('S1: that came from elsewhere before reads 403 and nothing else of its own origin, and opens no WebSocket', async () => {
      const rebound = await browser.open('about:blank');
      await rebound.page.route(`${reboundUrl()}/`, (route) =>
        route.fulfill({ contentType: 'text/html', body: '<body></body>' }),
      );
      await rebound.page.goto(`${reboundUrl()}/`);
      for (const route of ['/live', '/health', '/api/sessions', '/api/auth/me']) {
        for (const headers of [{}, BEARER]) {
          const seen = await rebound.do<{ body: string }>('ask', { url: `${reboundUrl()}${route}`, init: { headers } });
          expect(seen).toMatchObject({ type: 'basic', status: 403 });
          expect(JSON.parse(seen.body)).toMatchObject({ error: { code: 'PERMISSION_DENIED' } });
        }
      }
      const code = await openCode();
      const init = { method: 'POST', headers: { 'content-type': 'application/json' } };
      const body = JSON.stringify({ code, ...DEVICE });
      const url = `${reboundUrl()}/api/auth/pair`;
      expect(await rebound.do('ask', { url, init: { ...init, body } })).toMatchObject({ status: 403 });
      expect((await askOver(daemon, 'POST', '/api/auth/pair', { body: { code, ...DEVICE } })).status).toBe(200);
      await expectShutOut(rebound, 'rebound.example');
    });
  });

  describe('a page of an origin in ALLOWED_ORIGINS', () => {
    test('connects with its token in a subprotocol, which is not echoed', async () => {
      const app = await pageOf('app.example');
      const socket = await app.do<{ message: string }>('socket', { url: wsUrl('?deviceId=web'), protocols: PROTOCOLS });
      expect(socket).toMatchObject({ opened: true, protocol: 'companion.v1' });
      expect(JSON.parse(socket.message)).toMatchObject({ type: 'welcome', data: { deviceId: 'web' } });
      expect(await app.do('socket', { url: wsUrl(`?token=${TOKEN}`) })).toMatchObject({ opened: true, protocol: '' });
    });

    test('S1: does not connect without one, or with a wrong one', async () => {
      const app = await pageOf('app.example');
      const wrong = ['companion.v1', `companion.bearer.${base64url(`${TOKEN}x`)}`];
      for (const how of [{ url: wsUrl() }, { url: wsUrl(), protocols: wrong }, { url: wsUrl('?ticket=x') }]) {
        expect(await app.do('socket', how)).toMatchObject({ opened: false, code: 1006 });
      }
    });

    test('gets a ticket by a preflighted request, and opens one WebSocket with it', async () => {
      const app = await pageOf('app.example');
      const { ticket } = await ticketBy(app, daemon);
      const first = await app.do<{ message: string }>('socket', { url: wsUrl(`?ticket=${ticket}`) });
      expect(JSON.parse(first.message)).toMatchObject({ type: 'welcome' });
      expect(await app.do('socket', { url: wsUrl(`?ticket=${ticket}`) })).toMatchObject({ opened: false });
    });

    test('reads answers and refusals with their request ids and limits', async () => {
      const app = await pageOf('app.example');
      const url = `${daemon.url}/api/sessions`;
      const init = { headers: { ...BEARER, 'x-request-id': 'from-a-page' } };
      const read = await app.do('ask', { url, init });
      expect(read).toMatchObject({ type: 'cors', status: 200 });
      expect(read.headers).toMatchObject({ 'x-request-id': 'from-a-page', 'ratelimit-limit': '1000000' });
      const refused = await app.do<{ body: string; headers: Record<string, string> }>('ask', { url });
      expect(refused).toMatchObject({ status: 401 });
      expect(JSON.parse(refused.body)).toMatchObject({ error: { requestId: refused.headers['x-request-id'] } });
      await wasAnswered('OPTIONS', '/api/sessions', 204);
    });

    test('pairs, begins a session, names and closes it', async () => {
      const app = await pageOf('app.example');
      const json = { 'content-type': 'application/json' };
      const ask = async (method: string, route: string, headers: object, body?: object) => {
        const init = { method, headers: { ...json, ...headers }, ...(body && { body: JSON.stringify(body) }) };
        const seen = await app.do<{ status: number; body: string }>('ask', { url: `${daemon.url}${route}`, init });
        const said = JSON.parse(seen.body) as Record<string, unknown>;
        return { ...said, answer: seen.status, accessToken: said.accessToken, id: said.id };
      };
      const paired = await ask('POST', '/api/auth/pair', {}, { code: await openCode(), ...DEVICE });
      expect(paired).toMatchObject({ answer: 200, accessToken: expect.any(String) });
      const own = { authorization: `Bearer ${String(paired.accessToken)}` };
      const made = await ask('POST', '/api/sessions', own, { workingDirectory: daemon.project('paged') });
      expect(made.answer).toBe(201);
      const route = `/api/sessions/${String(made.id)}`;
      expect(await ask('PATCH', route, own, { sessionName: 'by a page' })).toMatchObject({ answer: 200 });
      expect(await ask('DELETE', route, own)).toMatchObject({ answer: 200 });
    });
  });
}

const ticketOf = async (daemon: Daemon): Promise<{ ticket: string }> =>
  (await askOver<{ ticket: string }>(daemon, 'POST', '/api/auth/ticket', { token: TOKEN })).body;

async function ticketBy(page: OpenPage, { url }: Daemon): Promise<{ ticket: string }> {
  const init = { method: 'POST', headers: BEARER };
  const { status, body } = await page.do<{ status: number; body: string }>('ask', {
    url: `${url}/api/auth/ticket`,
    init,
  });
  expect(status).toBe(200);
  return JSON.parse(body) as { ticket: string };
}
