/** Leads through every view of the console, with something in each. */
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import type { ConsolePage } from './console-page.js';
import type { TourWorld } from './tour-world.js';

export interface Stop {
  name: string;
  page: Page;
}

export type Visit = (stop: Stop) => Promise<void>;

interface Guide {
  world: TourWorld;
  shown: ConsolePage;
  visit: Visit;
}

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });

/** Nothing that was asked for is still on its way. */
async function settled(page: Page): Promise<void> {
  for (const said of ['Loading…', 'Asking Claude…'])
    await page.getByText(said, { exact: true }).first().waitFor({ state: 'detached' });
}

/** Resolves when every view was visited. To be taken once for a world. */
export async function takeTour({ visit, ...rest }: Guide): Promise<void> {
  const guide = {
    ...rest,
    visit: async (stop: Stop) => {
      await settled(stop.page);
      await visit(stop);
    },
  };
  await beginning(guide);
  await conversations(guide);
  await inbox(guide);
  await places(guide);
}

async function beginning({ world, shown, visit }: Guide): Promise<void> {
  const { page } = shown;
  const stranger = await shown.stranger({ viewport: page.viewportSize() });
  await stranger.goto(world.daemon.url);
  await stranger.getByLabel('Pairing code').waitFor();
  await visit({ name: 'pair', page: stranger });
  await stranger.context().close();
  await page.getByText('No sessions yet.').waitFor();
  await visit({ name: 'home-empty', page });
}

async function conversations(guide: Guide): Promise<void> {
  const { world, shown, visit } = guide;
  const { page } = shown;
  const directories = ['garden', 'website', 'letters'].map((name) => world.directory(name));
  await page.goto(new URL('/#/new', page.url()).href);
  await page.getByRole('group', { name: 'Projects' }).getByRole('button', { name: 'garden', exact: true }).waitFor();
  await visit({ name: 'new', page });
  await shown.begin(directories[0] ?? '', 'Plan the beds and write it down.');
  await button(page, 'Allow once').waitFor();
  await visit({ name: 'permission', page });
  await button(page, 'Allow once').click();
  await page.getByText('1 file changed').waitFor();
  await visit({ name: 'session', page });
  await page.getByRole('link', { name: 'All sessions' }).click();
  await page.getByRole('link', { name: 'garden', exact: true }).waitFor();
  await visit({ name: 'home-one', page });
  await page.goBack();
  await page.getByText('Thinking', { exact: true }).click();
  await page.getByText('1 file changed').click();
  await visit({ name: 'session-open', page });
  await page.getByRole('button', { name: /Ask first/ }).click();
  await page.getByRole('combobox', { name: 'Permission mode' }).waitFor();
  await page.getByRole('meter').waitFor();
  await visit({ name: 'session-settings', page });
  await page.getByRole('button', { name: /Ask first/ }).click();
  await button(page, 'Go back to before this message').click();
  await button(page, 'Go back').waitFor();
  await visit({ name: 'session-rewind', page });
  await files(guide);
  await shown.begin(directories[1] ?? '', 'Run the tests.');
  await button(page, 'Allow once').waitFor();
  await shown.send('Then tell me how it went.');
  await page.getByRole('region', { name: '1 message waits' }).waitFor();
  await visit({ name: 'session-queue', page });
  await shown.begin(directories[2] ?? '', 'Write a letter to Ada.');
  await page.getByRole('radio', { name: /Dear Ada/ }).waitFor();
  await visit({ name: 'session-question', page });
}

async function files({ shown: { page }, visit }: Guide): Promise<void> {
  await page.getByRole('link', { name: 'Files', exact: true }).click();
  await page.getByRole('link', { name: /^plan\.md/ }).waitFor();
  await visit({ name: 'files', page });
  await page.getByRole('link', { name: /^plan\.md/ }).click();
  await page.locator('.file .hljs-section').waitFor();
  await visit({ name: 'file', page });
}

async function inbox({ shown: { page }, visit }: Guide): Promise<void> {
  await page.goto(new URL('/#/nowhere', page.url()).href);
  await page.getByRole('heading', { name: 'This link leads nowhere', exact: true }).waitFor();
  await visit({ name: 'lost', page });
  await page.goto(new URL('/#/', page.url()).href);
  await page.getByRole('link', { name: 'garden', exact: true }).waitFor();
  await page.getByRole('button', { name: /^letters/, expanded: false }).waitFor();
  await button(page, 'Allow once').waitFor();
  await visit({ name: 'home', page });
}

async function places({ world, shown: { page }, visit }: Guide): Promise<void> {
  const workingDirectory = join(world.daemon.root, 'garden');
  await world.make('/api/schedules', {
    workingDirectory,
    prompt: 'Water the beds',
    cron: '30 6 * * 1-5',
    timeZone: 'UTC',
  });
  await world.make('/api/budgets', { of: 'person', period: 'week', dollars: 20, stop: true });
  await world.make('/api/hooks', { workingDirectory, template: 'Look at {{title}}' });
  const views = page.getByRole('navigation', { name: 'Other views' }).getByRole('link');
  for (const name of await views.allTextContents()) {
    await page.goto(new URL('/#/', page.url()).href);
    await views.filter({ hasText: name }).first().click();
    await page.getByRole('heading', { name, exact: true, level: 1 }).waitFor();
    if (name === 'Search') await search(page);
    if (name === 'Audit') await page.getByLabel('Action').selectOption('Pair a device');
    if (name === 'Daemons') await page.evaluate(KNOW_ANOTHER);
    await settled(page);
    for (const form of await page.locator('main details > summary').all()) await form.click();
    await visit({ name: name.toLowerCase().replaceAll(/\W+/g, '-'), page });
  }
  await share(page);
  await visit({ name: 'share', page });
}

/** As another tab does it. */
const KNOW_ANOTHER = `(() => {
  localStorage.setItem('daemons', JSON.stringify([{ name: 'Attic', origin: 'https://attic.example.org' }]));
  dispatchEvent(new Event('storage'));
})()`;

/** As a system hands it to the worker. */
const SHARE = `(async () => {
  await navigator.serviceWorker.ready;
  const body = new FormData();
  body.set('text', 'Rhubarb wants shade: https://example.org/rhubarb');
  await fetch('/share', { method: 'POST', body, redirect: 'manual' });
})()`;

async function share(page: Page): Promise<void> {
  await page.evaluate(SHARE);
  await page.goto(new URL('/#/share', page.url()).href);
  await button(page, 'garden').waitFor();
}

async function search(page: Page): Promise<void> {
  await page.getByLabel('Words').fill('rhubarb shade');
  await button(page, 'Find').click();
  await page.getByRole('region', { name: 'Results' }).locator('mark').first().waitFor();
}
