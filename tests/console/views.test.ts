/** The views beside the sessions, in a real browser against the real daemon and the real CLI. */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { DeviceView } from '../../protocol/auth.js';
import type { BudgetView } from '../../protocol/budgets.js';
import { type GitServer, startGitServer } from '../support/git-server.js';
import { askOver, pairDevice } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';
import { inChromium, useConsolePage } from './support/console-page.js';

/** What is too wide or too low, in the page. */
const MEASURE = `({
  width: document.documentElement.scrollWidth,
  small: [...document.querySelectorAll('main button, main input:not([type]), main select, header a, nav a')]
    .filter((element) => element.getBoundingClientRect().height < 44)
    .map((element) => element.textContent),
})`;

inChromium('the views of the console', (path) =>
  describe('the views of the console', () => {
    const world = useWorld();
    const shown = useConsolePage(world, path);
    let git: GitServer;
    beforeAll(async () => {
      git = await startGitServer();
    });
    afterAll(() => git.close());
    const button = (name: string) => shown.page.getByRole('button', { name, exact: true });
    const goTo = async (name: string) => {
      await shown.page.goto(new URL('/#/', shown.page.url()).href);
      await shown.page
        .getByRole('navigation', { name: 'Other views' })
        .getByRole('link', { name, exact: true })
        .click();
      await shown.page.getByRole('heading', { name, exact: true, level: 1 }).waitFor();
    };

    /** On the narrowest phone nothing is cut off, and everything can be touched. */
    const fits = async () => {
      const { page } = shown;
      await page.setViewportSize({ width: 320, height: 700 });
      const found: unknown = await page.evaluate(MEASURE);
      await page.setViewportSize({ width: 390, height: 844 });
      expect(found).toEqual({ width: 320, small: [] });
    };

    test('list the devices, rename one and revoke one only when a person is sure', async () => {
      const { page } = shown;
      await pairDevice(world.daemon, { deviceName: 'Old phone', scopes: ['read', 'approve'] });
      await goTo('Devices');
      const items = page.getByRole('region', { name: 'Paired devices' }).getByRole('listitem');
      await items.nth(1).waitFor();
      expect(await items.nth(0).textContent()).toContain('this browser');
      expect(await items.nth(1).textContent()).toContain('read, approve');
      await button('Rename Old phone').click();
      await page.getByLabel('New name').fill('Phone in the drawer');
      await button('Save').click();
      await button('Revoke Phone in the drawer').click();
      await shown.picture('devices');
      await fits();
      await button('No, leave it').click();
      expect(await items.nth(1).textContent()).not.toContain('Revoked');
      await button('Revoke Phone in the drawer').click();
      await button('Yes: Revoke Phone in the drawer').click();
      await items.nth(1).getByText('Revoked', { exact: true }).waitFor();
      expect(await button('Revoke Phone in the drawer').count()).toBe(0);
    });

    test('find words in all sessions, and lead to the one where they were said', async () => {
      const { page } = shown;
      const id = await shown.begin(world.daemon.project('kitchen'), scenario({ text: 'Rhubarb keeps in the cellar.' }));
      await page.getByText('Rhubarb keeps in the cellar.', { exact: true }).waitFor();
      await goTo('Search');
      await page.getByLabel('Words').fill('nowheretobefound');
      await button('Find').click();
      await page.getByText('Nothing was found.').waitFor();
      await page.getByLabel('Words').fill('rhubarb cellar');
      await button('Find').click();
      await page.getByLabel('Said by').selectOption('Claude');
      const marks = page.getByRole('region', { name: 'Results' }).locator('mark');
      await marks.first().waitFor();
      expect(await marks.allTextContents()).toEqual(['Rhubarb', 'cellar']);
      await shown.picture('search');
      await fits();
      await page.getByRole('region', { name: 'Results' }).getByRole('link').click();
      await page.getByText('Rhubarb keeps in the cellar.', { exact: true }).waitFor();
      expect(page.url()).toContain(id);
      await page.goBack();
      await marks.first().waitFor();
      expect(await page.getByLabel('Words').inputValue()).toBe('rhubarb cellar');
    });

    test('clone a repository, add a working tree, and start a session in it', async () => {
      const { page } = shown;
      git.add('shop', (folder) => writeFileSync(join(folder, 'README.md'), '# Shop\n'));
      await goTo('Projects');
      await page.getByText('Clone a repository').click();
      await page.getByLabel('Address of the repository').fill(`${git.url}/missing.git`);
      await button('Clone').click();
      await page.getByRole('alert').waitFor();
      expect(shown.faults.splice(0)).toEqual([expect.stringContaining('404')]);
      await page.getByLabel('Address of the repository').fill(`${git.url}/stall.git`);
      await button('Clone').click();
      await waitUntil('git waits for the other side', () => git.hanging > 0);
      await button('Cancel the clone').click();
      await page.getByText('The clone was cancelled, and nothing of it is left.').waitFor();
      await waitUntil('git has gone', () => git.hanging === 0);
      expect(await page.getByRole('alert').count()).toBe(0);
      expect(readdirSync(world.daemon.root)).not.toContain('stall');
      await page.getByLabel('Address of the repository').fill(`${git.url}/shop.git`);
      await button('Clone').click();
      await page.getByText('The project shop is there.').waitFor();
      writeFileSync(join(world.daemon.root, 'shop/new.txt'), 'new\n');
      await button('Add a working tree of shop').click();
      await page.getByLabel('New branch').fill('prices');
      await button('Add').click();
      const shop = page.getByRole('listitem').filter({ has: page.getByRole('heading', { name: 'shop', exact: true }) });
      await shop.getByText('prices', { exact: true }).waitFor();
      expect(await shop.textContent()).toContain('1 change');
      await shown.picture('projects');
      await fits();
      await button('Start a session in shop-prices').click();
      await page.getByRole('textbox', { name: 'Message', exact: true }).waitFor();
      await goTo('Projects');
      await page.getByRole('link', { name: 'Open the session of shop-prices' }).waitFor();
    });

    test('offer the projects where a session is begun', async () => {
      const { page } = shown;
      await page.goto(new URL('/#/new', page.url()).href);
      await page.getByRole('group', { name: 'Projects' }).getByRole('button', { name: 'shop', exact: true }).click();
      expect(await page.getByLabel('Directory').inputValue()).toBe(join(world.daemon.root, 'shop'));
      await shown.picture('new');
      await fits();
    });

    test('plot what was used, and keep it within a budget', async () => {
      const { page } = shown;
      await goTo('Usage');
      await page.getByRole('img', { name: /^Cost of the last 30 days: \$/ }).waitFor();
      expect(await page.locator('.chart rect').count()).toBe(30);
      await page.getByText('There are no budgets.').waitFor();
      await page.getByText('Add a budget').click();
      await page.getByLabel('US dollars').fill('2.5');
      await page.getByLabel('In', { exact: true }).selectOption('a week');
      await button('Add').click();
      await page.getByText('$2.50 for all sessions together a week').waitFor();
      await shown.picture('usage');
      await fits();
      await page.getByLabel('By', { exact: true }).selectOption('Directory');
      await page.getByRole('rowheader', { name: join(world.daemon.root, 'kitchen') }).waitFor();
      await page.getByRole('button', { name: /^Remove / }).click();
      await page.getByRole('button', { name: /^Yes: Remove / }).click();
      await page.getByText('There are no budgets.').waitFor();
      expect(await page.getByRole('rowheader').count()).toBeGreaterThan(0);
    });

    test('keep tokens within a budget, whose limit is changed', async () => {
      const { page } = shown;
      await goTo('Usage');
      await page.getByText('Add a budget').click();
      await page.getByLabel('Counted in').selectOption('Tokens');
      await page.getByLabel('Tokens', { exact: true }).fill('20000');
      await page.getByLabel('For', { exact: true }).selectOption('for each session');
      await button('Add').click();
      await page.getByText('20K tokens for each session a day').waitFor();
      await page.getByText(/[\d.]+K? tokens used\./).waitFor();
      await button('Change 20K tokens for each session a day').click();
      await page.getByLabel('New limit in tokens').fill('1500000');
      await shown.picture('budget-tokens');
      await button('Save').click();
      await page.getByText('1.5M tokens for each session a day').waitFor();
      const { budgets } = (await (await world.daemon.fetch('/api/budgets')).json()) as { budgets: BudgetView[] };
      expect(budgets.map((one) => [one.of, one.tokens, one.dollars])).toEqual([['session', 1_500_000, undefined]]);
      await fits();
      await page.getByRole('button', { name: /^Remove / }).click();
      await page.getByRole('button', { name: /^Yes: Remove / }).click();
      await page.getByText('There are no budgets.').waitFor();
    });

    test('have a prompt sent by the clock, and at once, and turn it off', async () => {
      const { page } = shown;
      await goTo('Schedules');
      await page.getByText('Nothing is sent by itself.').waitFor();
      await page.getByText('Add a schedule').click();
      await page.getByRole('group', { name: 'Projects' }).getByRole('button', { name: 'kitchen', exact: true }).click();
      await page.getByLabel('Prompt').fill('Air the cellar');
      await page.getByLabel('How often').selectOption('from Monday to Friday');
      await page.getByLabel('Time of day').fill('06:30');
      await button('Add').click();
      await page.getByText('30 6 * * 1-5').waitFor();
      await button('Run now: Air the cellar').click();
      await button('History: Air the cellar').click();
      await page.getByText('(asked for)').first().waitFor();
      await shown.picture('schedules');
      await fits();
      await button('Turn off: Air the cellar').click();
      await button('Turn on: Air the cellar').waitFor();
      await button('Remove: Air the cellar').click();
      await button('Yes: Remove: Air the cellar').click();
      await page.getByText('Nothing is sent by itself.').waitFor();
      expect(await page.getByRole('heading', { name: 'Air the cellar' }).count()).toBe(0);
    });

    test('make a hook and a webhook, show their secrets once, and turn them off', async () => {
      const { page } = shown;
      await goTo('Hooks');
      await page.getByText('Add a hook').click();
      await page.getByLabel('Directory').fill(join(world.daemon.root, 'kitchen'));
      await page.getByLabel(/^Prompt;/).fill('Look at {{title}}');
      await button('Add').first().click();
      await page.getByText(/\/api\/hooks\//).waitFor();
      await button('Turn off: Look at {{title}}').click();
      await button('Turn on: Look at {{title}}').waitFor();
      await page.getByText('Add a webhook').click();
      await page.getByLabel('Address to send to').fill('https://hooks.example.org/told');
      await button('Add').last().click();
      await page.getByText(/^whsec_/).waitFor();
      await shown.picture('hooks');
      await fits();
      await goTo('Hooks');
      for (const name of ['Look at {{title}}', 'https://hooks.example.org/told']) {
        await button(`Replace the secret: ${name}`).click();
        await button(`Yes: Replace the secret: ${name}`).click();
      }
      const secrets = page.getByRole('status').filter({ hasText: 'shown only here' });
      await secrets.nth(1).waitFor();
      expect(await secrets.count()).toBe(2);
      await button('Send a test to https://hooks.example.org/told').click();
      await page.getByText('History').last().click();
      await page.getByText(/: test, /).waitFor();
      const again = page.waitForResponse((response) => response.url().endsWith('/replay'));
      await page.getByRole('button', { name: /^Send again: test, / }).click();
      expect((await again).status()).toBe(202);
      await goTo('Hooks');
      await button('Turn off: https://hooks.example.org/told').click();
      await button('Turn on: https://hooks.example.org/told').waitFor();
      expect(await page.getByText(/^whsec_/).count()).toBe(0);
    });

    test('tell how the daemon is, and what was pushed', async () => {
      const { page } = shown;
      await goTo('Health');
      await page.getByText(/All is well|Something needs attention/).waitFor();
      await page.getByRole('definition').first().waitFor();
      await shown.picture('health');
      await fits();
      await goTo('Pushes');
      await page.getByText('No device gets pushes.').waitFor();
      await page.getByText('Nothing was to be told yet.').or(page.getByText('not sent').first()).waitFor();
      await shown.picture('pushes');
      await fits();
      expect(await page.getByRole('alert').count()).toBe(0);
    });

    test('set and remove the quiet hours of a device', async () => {
      const { page } = shown;
      const { deviceId, accessToken } = await pairDevice(world.daemon, { deviceName: 'Night phone' });
      const body = { deviceId, platform: 'ntfy', token: 'night-phone' };
      await askOver(world.daemon, 'POST', '/api/push-notifications/register', { token: accessToken, body });
      await goTo('Pushes');
      await page.getByText('Quiet hours of Night phone: none').click();
      await page.getByLabel('From', { exact: true }).fill('21:30');
      await button('Set quiet hours').click();
      await page.getByText('Quiet hours of Night phone: 21:30 to 07:00').waitFor();
      const kept = async () => (await (await world.daemon.fetch(`/api/devices/${deviceId}`)).json()) as DeviceView;
      const timeZone = await page.evaluate('Intl.DateTimeFormat().resolvedOptions().timeZone');
      const quietHours = { from: '21:30', to: '07:00', timeZone, exceptUrgent: true };
      expect((await kept()).preferences).toEqual({ quietHours });
      await fits();
      await goTo('Pushes');
      await page.getByText('Quiet hours of Night phone: 21:30 to 07:00').click();
      await button('No quiet hours').click();
      await page.getByText('Quiet hours of Night phone: none').waitFor();
      expect((await kept()).preferences).toEqual({});
    });

    test('tell who did what, by action and device', async () => {
      const { page } = shown;
      await goTo('Audit');
      const entries = page.getByRole('region', { name: 'Entries' }).getByRole('listitem');
      await entries.first().waitFor();
      await page.getByLabel('Action').selectOption('Pair a device');
      await page.getByLabel('Device').selectOption('Night phone');
      await entries.filter({ has: page.getByRole('heading', { name: 'Pair a device', exact: true }) }).waitFor();
      expect(await entries.count()).toBe(1);
      expect(await entries.first().textContent()).toContain('ByNight phone');
      await shown.picture('audit');
      await fits();
      await page.getByLabel('Since').fill('2199-01-01T00:00');
      await page.getByText('There are no such entries.').waitFor();
      expect(await entries.count()).toBe(0);
    });

    test('say that they could not be loaded, in the words of the daemon, and try again', async () => {
      const { page } = shown;
      const error = { code: 'CAPACITY', message: 'The disk is full.' };
      await page.route('**/api/devices', (route) => route.fulfill({ status: 507, json: { error } }));
      await goTo('Devices');
      await page.getByRole('alert').getByText('It could not be loaded: The disk is full.').waitFor();
      await shown.picture('devices-failed');
      await page.unroute('**/api/devices');
      await button('Try again').click();
      await button('Revoke Phone in the drawer').or(page.getByText('Phone in the drawer')).waitFor();
      expect(shown.faults.splice(0)).toEqual([expect.stringContaining('507')]);
    });

    test('S1: show how to pair once this browser is revoked, also while another tab renews its token', async () => {
      const { page } = shown;
      const tab = await page.context().newPage();
      let answer = () => {};
      const isTold = new Promise<void>((resolve) => {
        answer = resolve;
      });
      const isAsked = tab.waitForRequest('**/api/auth/refresh');
      await tab.route('**/api/auth/refresh', async (route) => {
        const response = await route.fetch();
        await isTold;
        await route.fulfill({ response });
      });
      await tab.goto(world.daemon.url);
      await isAsked;
      await page.getByRole('button', { name: /^Revoke Chrome/ }).click();
      await page.getByText('This is the browser that you use now.').waitFor();
      await page.getByRole('button', { name: /^Yes: Revoke / }).click();
      await page.getByLabel('Pairing code').waitFor();
      answer();
      await tab.getByRole('alert').waitFor();
      await tab.close();
      await page.reload();
      await page.getByLabel('Pairing code').waitFor();
      expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('Pair this browser');
    });
  }),
);
