/** What a console meets in a day: a daemon that dies, a network that goes, another device that is faster, hostile words. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import type { WebSocketRoute } from 'playwright-core';
import { freePort } from '../support/free-port.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';
import { inChromium, pair, useConsolePage } from './support/console-page.js';

const MINUTE_MS = 60_000;
/** For what the daemon does by its clock. */
const LONG = { timeout: 120_000 };
const port = await freePort();

/** Runs in the page: returns whether its storage has the messages. */
const KEPT = `new Promise((resolve) => {
  const request = indexedDB.open('claude-companion-kept');
  request.onsuccess = () => {
    const database = request.result;
    if (!database.objectStoreNames.contains('sessions')) return resolve(false);
    const got = database.transaction('sessions').objectStore('sessions').get('kept');
    got.onsuccess = () => {
      const transcripts = [...(got.result?.kept.transcripts.values() ?? [])];
      resolve(transcripts.some(({ items }) => items.some(({ text }) => text === 'Before the tunnel.')));
      database.close();
    };
  };
})`;

/** Bytes each second and milliseconds. */
const SLOW_3G = { offline: false, latency: 400, downloadThroughput: 50_000, uploadThroughput: 50_000 };
const FAST = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 };

inChromium('the console under rough conditions', (path) => {
  // The address of a daemon outlives it.
  const clock = join(mkdtempSync(join(tmpdir(), 'companion-clock-')), 'offset');
  const moved = join(import.meta.dirname, '../support/moved-clock.mjs');
  const world = useWorld({
    environment: { PORT: String(port), NODE_OPTIONS: `--import ${moved}`, CLOCK_FILE: clock },
  });
  afterAll(() => rmSync(dirname(clock), { recursive: true }));
  const shown = useConsolePage(world, path);
  /** Sets the daemon's wall clock so far ahead of the browser's. */
  const setClock = async (ms: number) => {
    writeFileSync(clock, String(ms));
    process.kill(world.daemon.pid, 'SIGUSR2');
    await waitUntil('the clock is set', async () => {
      const { timestamp } = (await (await world.daemon.fetch('/health')).json()) as { timestamp: string };
      return Math.abs(Date.parse(timestamp) - Date.now() - ms) < MINUTE_MS / 2;
    });
  };
  const text = (words: string) => shown.page.getByText(words, { exact: true });

  test('D1, D4: kill -9 of the daemon in mid-text: every word is there once, without a reload', async () => {
    const words = Array.from({ length: 60 }, (_, index) => `word${index}`).join(' ');
    const { page } = shown;
    await shown.begin(
      world.daemon.project('killed'),
      scenario({ text: words, chunk: 8, gateAfter: { deltas: 20, gate: 'killed' } }),
    );
    await page.getByText('word5', { exact: false }).nth(1).waitFor();
    await world.daemon.restart('SIGKILL');
    await page.getByText('No connection. Trying again…').waitFor({ state: 'detached' });
    world.api.release('killed');
    await text(words).waitFor();
    expect(await text(words).count()).toBe(1);
    expect(await page.getByText('No connection').count()).toBe(0);
    // The browser itself tells of a connection that was lost.
    for (const fault of shown.faults.splice(0)) expect(fault).toMatch(/ERR_CONNECTION|WebSocket connection/);
  });

  test('I1: what is sent while the daemon is away runs once when it is back, and a draft outlives the page', async () => {
    const { page } = shown;
    const sessionId = await shown.begin(world.daemon.project('tunnel'), scenario({ text: 'Before the tunnel.' }));
    await text('Before the tunnel.').waitFor();
    await waitUntil('the browser has kept it', () => page.evaluate(KEPT) as Promise<boolean>);
    await shown.write('Half a th');
    await page.reload();
    await page.getByRole('textbox', { name: 'Message', exact: true }).waitFor();
    expect(await page.getByRole('textbox', { name: 'Message', exact: true }).inputValue()).toBe('Half a th');
    await world.daemon.kill('SIGKILL');
    await page.getByText('No connection. Trying again…').waitFor();
    const prompt = scenario({ text: 'Behind the tunnel.' });
    await shown.send(prompt);
    expect(await page.getByRole('textbox', { name: 'Message', exact: true }).inputValue()).toBe(prompt);
    // The page can end meanwhile: what is loaded then says what it has, and sends the same prompt.
    await page.evaluate('navigator.serviceWorker.ready');
    await page.reload();
    await page.getByText(/^Not live: what this browser has kept, as of/).waitFor();
    await text('Before the tunnel.').waitFor();
    await shown.picture('kept');
    expect(await page.getByRole('textbox', { name: 'Message', exact: true }).inputValue()).toBe(prompt);
    await page.getByRole('link', { name: 'All sessions' }).click();
    await page.getByText('What waits is not known without a connection.').waitFor();
    await shown.picture('kept-list');
    await page.getByRole('link', { name: 'tunnel', exact: true }).click();
    await text('Before the tunnel.').waitFor();
    await world.daemon.start();
    await text('Behind the tunnel.').waitFor();
    expect(await page.getByRole('article', { name: 'You' }).getByText(prompt).count()).toBe(1);
    const answer = await world.daemon.fetch(`/api/sessions/${sessionId}/prompts`);
    expect(((await answer.json()) as { total: number }).total).toBe(2);
    await waitUntil(
      'the draft is gone',
      async () => (await page.getByRole('textbox', { name: 'Message', exact: true }).inputValue()) === '',
    );
    expect(await page.getByText(/^Not live/).count()).toBe(0);
    shown.faults.splice(0);
  });

  test('H3: what another device answers is answered here', async () => {
    const { page } = shown;
    const directory = world.daemon.project('shared');
    const file = join(directory, 'a.txt');
    const sessionId = await shown.begin(
      directory,
      scenario({ tools: [{ name: 'Write', input: { file_path: file, content: 'a' } }] }, { text: 'Written.' }),
    );
    await page.getByRole('button', { name: 'Allow once', exact: true }).waitFor();
    const { permissions } = (await (await world.daemon.fetch(`/api/sessions/${sessionId}/permissions`)).json()) as {
      permissions: { permissionId: string }[];
    };
    const phone = await world.connect({ deviceId: 'phone' });
    await phone.request('permission', {
      sessionId,
      permissionId: permissions[0]?.permissionId ?? '',
      response: 'y',
      remember: false,
    });
    await page.getByRole('button', { name: 'Allow once', exact: true }).waitFor({ state: 'detached' });
    await text('Written.').waitFor();
  });

  test('D1, D4: a daemon that is upgraded, a network as slow as 3G, and none at all, in mid-text', async () => {
    await shown.begin(world.daemon.project('moving'), scenario({ text: 'Here.' }));
    await text('Here.').waitFor();
    const context = shown.page.context();
    const page = await context.newPage();
    const sockets = new Set<WebSocketRoute>();
    await page.routeWebSocket(/\/ws/, (socket) => {
      socket.connectToServer();
      sockets.add(socket);
    });
    await page.goto(shown.page.url());
    await shown.page.goto('about:blank');
    const said = (words: string) => page.getByText(words, { exact: true });
    await said('Here.').waitFor();
    const network = await context.newCDPSession(page);
    await network.send('Network.enable');
    const changes: Record<string, () => Promise<unknown>> = {
      upgraded: () => world.daemon.restart('SIGTERM'),
      slow: async () => {
        await network.send('Network.emulateNetworkConditions', SLOW_3G);
        await page.reload();
      },
      offline: async () => {
        await network.send('Network.emulateNetworkConditions', FAST);
        await context.setOffline(true);
        // Chromium leaves a socket that is open as it is.
        for (const socket of sockets) await socket.close({ code: 1001 });
        await page.getByText('No connection. Trying again…').waitFor();
      },
    };
    for (const [name, change] of Object.entries(changes)) {
      const words = Array.from({ length: 60 }, (_, index) => `${name}${index}`).join(' ');
      const prompt = scenario({ text: words, chunk: 8, gateAfter: { deltas: 20, gate: name } });
      await page.getByRole('textbox', { name: 'Message', exact: true }).fill(prompt);
      await page.getByRole('button', { name: 'Send', exact: true }).click();
      await page.getByText(`${name}5 `, { exact: false }).nth(1).waitFor();
      await change();
      world.api.release(name);
      await context.setOffline(false);
      await said(words).waitFor();
      expect(await said(words).count()).toBe(1);
      expect(await page.getByRole('article', { name: 'You' }).getByText(prompt).count()).toBe(1);
    }
    await page.getByText('No connection').waitFor({ state: 'detached' });
    await page.close();
    await shown.page.goBack();
    await shown.page.getByRole('textbox', { name: 'Message', exact: true }).waitFor();
  }, 180_000);

  test('H3: two browsers answer the same request: one decides, the other is told that it was too late', async () => {
    const other = await shown.stranger();
    const held: (() => void)[] = [];
    let isSlow = false;
    await other.routeWebSocket(/\/ws/, (socket) => {
      socket.connectToServer().onMessage((frame) => {
        if (isSlow) held.push(() => socket.send(frame));
        else socket.send(frame);
      });
    });
    await other.goto(world.daemon.url);
    await pair(world, other);
    const file = join(world.daemon.project('both'), 'a.txt');
    const tools = [{ name: 'Bash', input: { command: `echo once >> ${file}` } }];
    await shown.begin(world.daemon.project('both'), scenario({ tools }, { text: 'It ran.' }));
    const allow = shown.page.getByRole('button', { name: 'Allow once', exact: true });
    const deny = other.getByRole('button', { name: 'Deny', exact: true });
    await Promise.all([allow.waitFor(), deny.waitFor()]);
    isSlow = true;
    await allow.click();
    await text('It ran.').waitFor();
    await deny.click();
    const late = other.getByRole('alert').getByText('Decided elsewhere before your answer', { exact: false });
    expect(await late.count()).toBe(0);
    isSlow = false;
    for (const send of held.splice(0)) send();
    await late.waitFor();
    expect(await deny.count()).toBe(0);
    expect(readFileSync(file, 'utf8')).toBe('once\n');
    expect(await shown.page.getByText('Decided elsewhere').count()).toBe(0);
    await other.getByRole('alert').getByRole('button', { name: 'OK', exact: true }).click();
    await late.waitFor({ state: 'detached' });
    await other.context().close();
  });

  test('hostile words are shown, and do nothing', async () => {
    const { page } = shown;
    const hostile = [
      '<img src=x onerror="globalThis.hacked=1"><script>globalThis.hacked=1</script>',
      '[a link](javascript:globalThis.hacked=1) ![a picture](http://198.51.100.1/pixel.png)',
      '\u202Egnp.exe\u202C \u001b[31mred\u001b[0m',
      `|${'a|'.repeat(200)}\n|${'-|'.repeat(200)}\n|${'b|'.repeat(200)}`,
      '👩‍🚀'.repeat(2000),
      '> '.repeat(500),
      '***'.repeat(1000),
    ].join('\n\n');
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    await shown.begin(world.daemon.project('hostile'), scenario({ text: hostile }));
    await page.getByText('<img src=x onerror=', { exact: false }).last().waitFor();
    await page.getByText('a picture (http://198.51.100.1/pixel.png)', { exact: false }).waitFor();
    expect(await page.evaluate('globalThis.hacked')).toBe(undefined);
    expect(await page.locator('a[href^="javascript"]').count()).toBe(0);
    expect(asked.filter((url) => !url.startsWith(world.daemon.url))).toEqual([]);
    expect(await page.evaluate('document.documentElement.scrollWidth <= document.documentElement.clientWidth')).toBe(
      true,
    );
  });

  test('code and commands get their colours, and stay the same text', async () => {
    const { page } = shown;
    const code = [
      'const kept: string = `</span><img src=x onerror="globalThis.hacked=2">`; // kept',
      'export const View = () => <b onClick={() => eval("globalThis.hacked=2")}>{kept}</b>;',
      '<script>globalThis.hacked=2</script>',
    ].join('\n');
    const fenced = (language: string) => `\`\`\`${language}\n${code}\n\`\`\``;
    const command = 'for name in "$@"; do echo "<i>$name</i>" && rm -f never-there; done # one by one';
    await shown.begin(
      world.daemon.project('colours'),
      scenario(
        {
          text: [fenced('ts'), fenced('constructor'), 'That was code.'].join('\n\n'),
          tools: [{ name: 'Bash', input: { command, description: 'Look at it' } }],
        },
        { text: 'It was denied.' },
      ),
    );
    await page.getByRole('button', { name: 'Deny', exact: true }).waitFor();
    const asked = page.locator('pre.command:visible').last();
    await asked.locator('.hljs-keyword').first().waitFor();
    expect(await asked.textContent()).toBe(command);
    const [typescript, unknown] = ['ts', 'constructor'].map((name) =>
      page.locator(`pre[data-language="${name}"] code`).first(),
    );
    await typescript?.scrollIntoViewIfNeeded();
    await typescript?.locator('.hljs-keyword', { hasText: 'const' }).first().waitFor();
    await shown.picture('colours');
    expect([await typescript?.textContent(), await unknown?.textContent()]).toEqual([code, code]);
    expect(
      await page.locator('pre :is(img, script, b, i, [style]), pre[data-language="constructor"] span').count(),
    ).toBe(0);
    expect(await page.evaluate('globalThis.hacked')).toBe(undefined);
    await page.getByRole('button', { name: 'Deny', exact: true }).click();
  });

  test('S1: an access token that ends in mid-text is replaced without a word', async () => {
    const { page } = shown;
    await page.goto('about:blank');
    const opened = page.waitForEvent('websocket', LONG);
    const renewed = page.waitForResponse(/\/api\/auth\/refresh/, LONG);
    await page.goto(world.daemon.url);
    const { expiresAt } = (await (await renewed).json()) as { expiresAt: string };
    const replaced = (await opened).waitForEvent('framereceived', {
      ...LONG,
      predicate: ({ payload }) => payload.includes('"reauthenticated"'),
    });
    const words = Array.from({ length: 60 }, (_, index) => `token${index}`).join(' ');
    await shown.begin(
      world.daemon.project('token'),
      scenario({ text: words, chunk: 8, gateAfter: { deltas: 20, gate: 'token' } }),
    );
    await page.getByText('token5 ', { exact: false }).nth(1).waitFor();
    let connections = 0;
    page.on('websocket', () => {
      connections += 1;
    });
    // The daemon asks for another one a minute before, and looks at its clock every 20 s.
    await setClock(Date.parse(expiresAt) - Date.now() - 0.95 * MINUTE_MS);
    await replaced;
    await setClock(Date.parse(expiresAt) - Date.now() + MINUTE_MS);
    world.api.release('token');
    await text(words).waitFor();
    expect(await text(words).count()).toBe(1);
    expect(connections).toBe(0);
    // One that has ended meanwhile, as behind a closed lid, is found by the next request.
    await setClock(60 * MINUTE_MS);
    await page.goto(new URL('/#/devices', page.url()).href);
    await text('this browser').waitFor();
    expect(await page.getByRole('alert').count()).toBe(0);
    // The browser itself tells of the refused request.
    for (const fault of shown.faults.splice(0)) expect(fault).toMatch(/status of 401|WebSocket connection/);
  }, 180_000);

  test('S1: a device that is revoked is told so, and can be paired again', async () => {
    const { page } = shown;
    const { devices } = (await (await world.daemon.fetch('/api/devices')).json()) as {
      devices: { id: string; platform?: string }[];
    };
    const own = devices.find(({ platform }) => platform === 'web');
    expect((await world.daemon.fetch(`/api/devices/${own?.id}`, { method: 'DELETE' })).ok).toBe(true);
    await page.getByRole('alert').getByText('no longer paired').waitFor();
    await page.getByRole('button', { name: 'Pair again' }).click();
    await page.getByLabel('Pairing code').waitFor();
    shown.faults.splice(0);
  });
});
