/** The console in a real browser, against the real daemon and the real CLI. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { type Browser, findChromium, startBrowser } from '../support/browser.js';
import { askLocally } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { useWorld } from '../support/world.js';

const chromiumPath = findChromium();
const START_MS = 60_000;
const PHONE = { width: 390, height: 844 };
/** Pictures are kept here where somebody wants to see them. */
const pictures = process.env.CONSOLE_PICTURES;

if (chromiumPath === undefined) {
  test('NOT RUN, since chromium is not installed: the console in a real browser', () => {
    // The machine of the checks sets it: there this file has to run.
    expect(process.env.REQUIRE_CHROMIUM).not.toBe('1');
  });
} else {
  describe('the console', () => inBrowser(chromiumPath));
}

function inBrowser(path: string): void {
  const world = useWorld();
  let browser: Browser;
  let page: Page;
  const faults: string[] = [];

  beforeAll(async () => {
    browser = await startBrowser({ path, names: [] });
    ({ page } = await browser.open(world.daemon.url));
    await page.setViewportSize(PHONE);
    page.on('console', (message) => {
      if (message.type() === 'error') faults.push(message.text());
    });
    page.on('pageerror', (error) => void faults.push(String(error)));
  }, START_MS);
  afterAll(async () => browser.close());

  const picture = async (name: string) => {
    if (pictures !== undefined) await page.screenshot({ path: join(pictures, `${name}.png`) });
  };

  test('refuses a wrong code with what to do, and is paired with a right one', async () => {
    await page.getByLabel('Pairing code').fill('WRONG-CODE');
    await page.getByRole('button', { name: 'Pair', exact: true }).click();
    await page.getByRole('alert').getByText('Ask for a new one').waitFor();
    await picture('pair');
    // The browser tells of the refusal itself.
    expect(faults.splice(0)).toEqual([expect.stringContaining('401')]);
    const { code } = await askLocally<{ code: string }>(world.daemon, 'POST', '/local/pair', {});
    await page.getByLabel('Pairing code').fill(code);
    await page.getByRole('button', { name: 'Pair', exact: true }).click();
    await page.getByText('No sessions yet.').waitFor();
    await picture('empty');
    expect(faults).toEqual([]);
  });

  test('opens a session, shows what is said, asks, and goes on when it is allowed', async () => {
    const directory = world.daemon.project('garden');
    await page.getByRole('button', { name: 'New session', exact: true }).click();
    await page.getByLabel('Directory').fill(directory);
    const file = join(directory, 'seeds.txt');
    await page.getByLabel('First message').fill(
      scenario(
        {
          text: 'I **write** it down.',
          tools: [{ name: 'Write', input: { file_path: file, content: 'peas\nbeans\n' } }],
        },
        { text: 'It is written:\n\n- peas\n- beans' },
      ),
    );
    await page.getByRole('button', { name: 'Start' }).click();
    await page.getByText('write', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Allow once', exact: true }).waitFor();
    await picture('permission');
    await page.getByRole('button', { name: 'Allow once', exact: true }).click();
    await page.getByRole('listitem').getByText('beans').waitFor();
    await page.getByText('1 file changed').waitFor();
    await picture('session');
    await page.getByRole('textbox', { name: 'Message', exact: true }).fill('Thanks.');
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await page.getByRole('article', { name: 'You' }).nth(1).waitFor();
    expect(faults).toEqual([]);
  });

  test('shows the same after a reload, and its sessions on the first view', async () => {
    await page.reload();
    await page.getByRole('listitem').getByText('beans').waitFor();
    await picture('reloaded');
    await page.getByRole('link', { name: 'All sessions' }).click();
    await page.getByRole('link', { name: 'garden', exact: true }).waitFor();
    await picture('home');
    expect(faults).toEqual([]);
  });
}
