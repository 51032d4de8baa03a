/** Where the console is offered as an app: at an address that lasts, and nowhere else. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { lastingAddresses } from '../../server/assembly/lasting-addresses.js';
import { type Lasting, lastingOf } from '../../web/store/lasting.js';
import { freePort } from '../support/free-port.js';
import { useWorld } from '../support/world.js';
import { inChromium, pair, useConsolePage } from './support/console-page.js';

const port = await freePort();
const FACTS = {
  servedAt: 'http://127.0.0.1:3001',
  port: 3001,
  publicUrl: undefined,
  allowedHosts: [],
  tailscaleName: undefined,
};
const PUBLIC = 'https://companion.example.org';
const TAILNET = 'https://machine.tailnet.ts.net';
const passing = (instead?: string, suggested?: string): Lasting => ({ kind: 'passing', instead, suggested });

describe('an address', () => {
  test.each([
    ['its own, on this machine', 'http://127.0.0.1:3001', FACTS, { kind: 'lasting' }],
    ['another name of this machine', 'http://localhost:3001', FACTS, { kind: 'lasting' }],
    ['every interface', 'http://localhost:3001', { ...FACTS, servedAt: 'http://0.0.0.0:3001' }, { kind: 'lasting' }],
    ['a tunnel that ends on another port', 'http://localhost:8080', FACTS, passing('http://127.0.0.1:3001')],
    ['a port that is another one after each start', 'http://127.0.0.1:3001', { ...FACTS, port: 0 }, passing()],
    ['a private address', 'http://192.168.1.5:3001', FACTS, passing()],
    ['a private address with TLS', 'https://192.168.1.5:3001', FACTS, passing()],
    ['a tunnel of Cloudflare', 'https://a-b.trycloudflare.com', FACTS, passing()],
    ['a tunnel of ngrok', 'https://4f2.ngrok-free.app', FACTS, passing()],
    ['a name behind a proxy', 'https://claude.example.org', FACTS, { kind: 'lasting' }],
    ['PUBLIC_URL', PUBLIC, { ...FACTS, publicUrl: `${PUBLIC}/` }, { kind: 'lasting' }],
    ['anything but PUBLIC_URL', 'https://claude.example.org', { ...FACTS, publicUrl: PUBLIC }, passing(PUBLIC)],
    ['this machine, with PUBLIC_URL', 'http://127.0.0.1:3001', { ...FACTS, publicUrl: PUBLIC }, passing(PUBLIC)],
    [
      'a private address, in a tailnet',
      'http://192.168.1.5:3001',
      { ...FACTS, tailscaleName: 'machine.tailnet.ts.net' },
      passing(undefined, TAILNET),
    ],
    [
      'a private address, with an allowed name in a tailnet',
      'http://192.168.1.5:3001',
      { ...FACTS, tailscaleName: 'machine.tailnet.ts.net', allowedHosts: ['Machine.tailnet.ts.net'] },
      passing(TAILNET),
    ],
  ])('%s', (_, origin, facts, expected) => {
    expect(lastingOf(origin, lastingAddresses(facts))).toEqual(expected);
  });

  test('of a daemon that says nothing of its addresses is judged by its name', () => {
    expect(lastingOf(PUBLIC)).toEqual({ kind: 'lasting' });
    expect(lastingOf('http://127.0.0.1:3001')).toEqual(passing());
  });
});

inChromium('the console as an app', (path) => {
  describe('at an address that lasts on this machine', () => {
    const world = useWorld({ environment: { PORT: String(port) } });
    const shown = useConsolePage(world, path);
    const manifest = () => shown.page.locator('link[rel=manifest]');
    let tunnel: ReturnType<typeof createServer>;
    const sockets = new Set<Socket>();
    beforeAll(async () => {
      tunnel = createServer((socket) => {
        const daemon = connect(port, '127.0.0.1');
        socket.pipe(daemon).pipe(socket);
        for (const one of [socket, daemon]) {
          sockets.add(one);
          // A page that is left cuts its connections.
          one.on('error', () => one.destroy());
        }
      });
      await once(tunnel.listen(0, '127.0.0.1'), 'listening');
    });
    afterAll(async () => {
      for (const one of sockets) one.destroy();
      await once(tunnel.close(), 'close');
    });

    test('is offered, and not through a tunnel, where it says which address lasts', async () => {
      const { page } = shown;
      await manifest().waitFor({ state: 'attached' });
      await page.goto(new URL('/#/devices', page.url()).href);
      await page.getByText('this browser', { exact: true }).waitFor();
      expect(await page.getByRole('heading', { name: 'Install this console' }).count()).toBe(0);
      const address = `http://127.0.0.1:${(tunnel.address() as AddressInfo).port}`;
      await page.goto(address);
      await pair(world, page);
      await page.goto(`${address}/#/devices`);
      await page.getByText(`at ${address}: this address will not last`, { exact: false }).waitFor();
      await shown.picture('install');
      expect(await page.getByRole('link', { name: world.daemon.url, exact: true }).count()).toBe(1);
      expect(await manifest().count()).toBe(0);
      const session = await page.context().newCDPSession(page);
      expect((await session.send('Page.getAppManifest')).url).toBe('');
    });
  });

  describe('with PUBLIC_URL', () => {
    const world = useWorld({ environment: { PUBLIC_URL: PUBLIC } });
    const shown = useConsolePage(world, path);

    test('is not offered elsewhere, and names it', async () => {
      const { page } = shown;
      await page.goto(new URL('/#/devices', page.url()).href);
      await page.getByRole('link', { name: PUBLIC, exact: true }).waitFor();
      expect(await page.locator('link[rel=manifest]').count()).toBe(0);
    });
  });
});
