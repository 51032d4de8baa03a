/** The recorded picture of the README: from pairing over a prompt and a permission to a push. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { type ApiRequest, type MessagesApi, type Reply, startMessagesApi } from '../../demo/messages-api.js';
import { type Browser, startBrowser } from '../support/browser.js';
import { type Daemon, startDaemon } from '../support/daemon.js';
import { freePort } from '../support/free-port.js';
import { askLocally } from '../support/identity-world.js';
import { waitUntil } from '../support/wait-until.js';
import { startWebPushServer, type WebPushServer } from '../support/web-push-server.js';
import { connect } from '../support/wire-client.js';
import { inChromium } from './support/console-page.js';
import { deliver, notificationsOf } from './support/delivered.js';
import { FILM, Film, lockScreen } from './support/film.js';
import { isRenewing } from './support/pictures.js';

const PHONE = { width: 390, height: 844 };
const MOST_BYTES = 400_000;
/** A film of about 20 s. */
const LASTS_MS = { least: 17_000, most: 23_000 };
const PROMPT = 'Run the tests and mend what fails.';
const PLAN = [
  'I run the tests first, then look at what fails.',
  'The suite is small: **214 tests** in three folders.',
  'Nothing is changed before you have seen the diff.',
].join('\n\n');
const END = 'All 214 tests pass.';

function record(path: string): void {
  let service: WebPushServer;
  let folder: string;
  let api: MessagesApi;
  let daemon: Daemon;
  let browser: Browser;
  let page: Page;
  const film = new Film();
  const gates = new Map(['more', 'ask', 'end'].map((name) => [name, gate()]));
  const open = (name: string) => gates.get(name)?.open();

  const answer = ({ messages, tools }: ApiRequest): Reply => {
    const steps = messages.filter(({ role }) => role === 'assistant').length;
    if (!tools?.some(({ name }) => name === 'Bash'))
      return { kind: 'message', blocks: [{ kind: 'text', text: 'Tests' }] };
    if (steps > 0)
      return {
        kind: 'message',
        hold: gates.get('end')?.passed as Promise<void>,
        blocks: [{ kind: 'text', text: END }],
      };
    const input = { command: 'npm test', description: 'Run all tests' };
    return {
      kind: 'message',
      blocks: [
        { kind: 'text', text: PLAN, chunk: 50 },
        { kind: 'tool', name: 'Bash', input },
      ],
      onDelta: async (text) => {
        if (PLAN.indexOf(text) === 50) await gates.get('more')?.passed;
        if (PLAN.endsWith(text)) await gates.get('ask')?.passed;
      },
    };
  };

  beforeAll(async () => {
    api = await startMessagesApi(answer);
    service = await startWebPushServer();
    folder = mkdtempSync(join(tmpdir(), 'companion-film-'));
    writeFileSync(join(folder, 'ca.pem'), service.ca);
    // A notification belongs to the origin.
    const port = String(await freePort());
    const environment = { PORT: port, NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem'), PUSH_ALLOW_PRIVATE: 'true' };
    daemon = await startDaemon({ apiUrl: api.url, environment });
    browser = await startBrowser({ path, names: [] });
    ({ page } = await browser.open(daemon.url));
    await page.setViewportSize(PHONE);
    await page.context().grantPermissions(['notifications'], { origin: daemon.url });
  });
  afterAll(async () => {
    await browser.close();
    await daemon.stop();
    await api.close();
    await service.close();
    rmSync(folder, { recursive: true });
  });

  const show = (ms: number) => film.show(page, ms, daemon.root);
  const button = (name: string) => page.getByRole('button', { name, exact: true });

  test('leads a new user from pairing over a prompt and a permission to a push', async () => {
    const website = daemon.project('website');
    const scripts = { test: `node -e "console.log('214 tests pass')"` };
    writeFileSync(join(website, 'package.json'), JSON.stringify({ name: 'website', scripts }));
    const { code } = await askLocally<{ code: string }>(daemon, 'POST', '/local/pair', {});
    await page.getByLabel('Pairing code').waitFor();
    await show(1500);
    await page.getByLabel('Pairing code').fill(code);
    await show(1200);
    await button('Pair').click();
    await page.getByText('No sessions yet.').waitFor();
    await show(1800);
    await button('New session').click();
    await page.getByLabel('Directory').fill(website);
    await button('website').waitFor();
    await typed('First message');
    await button('Start').click();
    await streamed();
    await button('Allow once').waitFor();
    await show(3200);
    await button('Allow once').click();
    await button('Allow once').waitFor({ state: 'detached' });
    await show(1200);
    const shown = await pushed();
    expect(shown).toMatchObject({ title: 'website', body: expect.stringContaining('Claude has finished') });
    await page.goto('about:blank');
    await page.setContent(lockScreen(shown));
    await show(3200);
    await page.goto(`${daemon.url}/#/`);
    await page.getByRole('link', { name: 'website', exact: true }).click();
    await page.getByText(END, { exact: true }).waitFor();
    await show(3000);
    await film.keep();
  });

  /** Types the prompt in three pieces. */
  async function typed(label: string): Promise<void> {
    for (const share of [0.3, 0.7, 1]) {
      await page.getByLabel(label).fill(PROMPT.slice(0, Math.round(PROMPT.length * share)));
      await show(share === 1 ? 1200 : 500);
    }
  }

  /** The text grows as the gates of the script open. */
  async function streamed(): Promise<void> {
    await page.getByText('I run the tests first', { exact: false }).waitFor();
    await show(1200);
    open('more');
    await page.getByText('Nothing is changed', { exact: false }).waitFor();
    await show(1500);
    open('ask');
  }

  /** Ends the turn while nobody looks, and resolves with what the worker shows for the push. */
  async function pushed() {
    const key = await daemon.fetch('/api/push-notifications/vapid-key');
    service.expectKey(((await key.json()) as { publicKey: string }).publicKey);
    const phone = await connect(daemon, { deviceId: 'phone' });
    await phone.request('registerDevice', { platform: 'web', token: service.subscription });
    await phone.close();
    await page.goto('about:blank');
    open('end');
    await waitUntil('the end of the turn is pushed', () =>
      service.pushes.some(({ payload }) => payload.kind !== 'permission'),
    );
    await page.goto(`${daemon.url}/openapi.json`);
    await deliver(page, daemon.url, service.pushes.at(-1)?.payload ?? {});
    let [shown] = await notificationsOf(page);
    await waitUntil('it is shown', async () => {
      [shown] = await notificationsOf(page);
      return shown !== undefined;
    });
    expect(service.violations).toEqual([]);
    return shown as NonNullable<typeof shown>;
  }
}

// What it shows is tested elsewhere: it is made only when it is asked for.
if (isRenewing) inChromium('the film of the README', record);

test('the kept film lasts about 20 s and is small enough for a README', async () => {
  const { delay = [], pages = 0 } = await sharp(FILM, { animated: true }).metadata();
  const lasts = delay.reduce((sum, ms) => sum + ms, 0);
  expect(pages).toBeGreaterThan(10);
  expect(lasts).toBeGreaterThan(LASTS_MS.least);
  expect(lasts).toBeLessThan(LASTS_MS.most);
  expect(statSync(FILM).size).toBeLessThan(MOST_BYTES);
});

function gate(): { passed: Promise<void>; open: () => void } {
  let open = () => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open };
}
