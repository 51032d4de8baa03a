/** Tabs of one browser are one device with one connection, whichever of them has it. */
import { expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { scenario } from '../support/scripted-api.js';
import { useWorld } from '../support/world.js';
import { inChromium, useConsolePage } from './support/console-page.js';

inChromium('tabs of one browser', (path) => {
  const world = useWorld();
  const shown = useConsolePage(world, path);
  const field = (page: Page) => page.getByRole('textbox', { name: 'Message', exact: true });
  const send = async (page: Page, text: string) => {
    await field(page).fill(text);
    await page.getByRole('button', { name: 'Send', exact: true }).click();
  };
  const open = async (address: string) => {
    const page = await shown.page.context().newPage();
    shown.watch(page);
    await page.goto(address);
    return page;
  };
  const connections = async () => {
    const answer = (await (await world.daemon.fetch('/metrics')).text()).match(/^companion_connections.* (\d+)$/m);
    return Number(answer?.[1]);
  };

  test('S1, H3: share one connection and one device; what is asked and answered in one is so in the other', async () => {
    const { page } = shown;
    await shown.begin(world.daemon.project('two'), scenario({ text: 'Both see it.' }));
    await page.getByText('Both see it.', { exact: true }).waitFor();
    const prompt = scenario({ tools: [{ name: 'Read', input: { file_path: '/etc/hostname' } }] }, { text: 'Read.' });
    await send(page, prompt);
    await page.getByRole('button', { name: 'Allow once', exact: true }).waitFor();
    // A tab that comes later knows what is open, without its session.
    const home = await open(world.daemon.url);
    await home.getByRole('button', { name: 'Allow once', exact: true }).click();
    await page.getByText('Read.', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Allow once', exact: true }).waitFor({ state: 'detached' });
    await home.getByText('Nothing waits for you.').waitFor();
    await home.getByRole('link', { name: 'two', exact: true }).click();
    await home.getByText('Read.', { exact: true }).waitFor();
    await send(home, scenario({ text: 'From the other.' }));
    for (const one of [page, home]) await one.getByText('From the other.', { exact: true }).waitFor();
    expect(await connections()).toBe(1);
    // Each renews with the stored token, which works once: twice, and the device is no longer trusted.
    await Promise.all([page.reload(), home.reload()]);
    for (const one of [page, home]) await one.getByText('From the other.', { exact: true }).waitFor();
    await home.close();
    await send(page, scenario({ text: 'Alone again.' }));
    await page.getByText('Alone again.', { exact: true }).waitFor();
  });

  test('I1: one that has the connection and is asleep loses it, and is up to date when it wakes', async () => {
    const { page } = shown;
    const follower = await open(page.url());
    await follower.getByText('Alone again.', { exact: true }).waitFor();
    // A page that shows a dialog runs nothing, as one that its system has stopped.
    const asleep = page.waitForEvent('dialog');
    void page.evaluate('alert()');
    const dialog = await asleep;
    await send(follower, scenario({ text: 'While it slept.' }));
    await follower.getByText('While it slept.', { exact: true }).waitFor();
    await dialog.dismiss();
    await page.getByText('While it slept.', { exact: true }).waitFor();
    expect(await page.getByText('open in another tab').count()).toBe(0);
    await follower.close();
  });

  test('a page of another version than the daemon says so, and what to do', async () => {
    const page = await shown.page.context().newPage();
    await page.routeWebSocket(/\/ws/, (socket) => {
      const daemon = socket.connectToServer();
      daemon.onMessage((text) =>
        socket.send(String(text).replace(/"serverVersion":"[^"]+"/, '"serverVersion":"99.0.0"')),
      );
    });
    await shown.page.goto('about:blank');
    await page.goto(world.daemon.url);
    await page.getByRole('alert').getByText('The daemon is of version 99.0.0 now', { exact: false }).waitFor();
    expect(await page.getByRole('button', { name: 'Load the page again' }).count()).toBe(1);
    await page.close();
    await shown.page.goBack();
    await field(shown.page).waitFor();
    expect(await shown.page.getByText('The daemon is of version').count()).toBe(0);
  });

  test('D1, D4: the one that has the connection closes or crashes in mid-text: the other has every word once', async () => {
    const { page: first } = shown;
    await shown.begin(world.daemon.project('leader'), scenario({ text: 'Here.' }));
    await first.getByText('Here.', { exact: true }).waitFor();
    const words = (round: string) => Array.from({ length: 60 }, (_, index) => `${round}${index}`).join(' ');
    let leader = first;
    const ends = [(page: Page) => page.close(), crash];
    for (const [index, end] of ends.entries()) {
      const round = `word${index}-`;
      const follower = await open(leader.url());
      await follower.getByText('Here.', { exact: true }).waitFor();
      const gate = `gate${index}`;
      await send(follower, scenario({ text: words(round), chunk: 8, gateAfter: { deltas: 20, gate } }));
      await follower.getByText(`${round}5 `, { exact: false }).nth(1).waitFor();
      await end(leader);
      world.api.release(gate);
      await follower.getByText(words(round), { exact: true }).waitFor();
      expect(await follower.getByText(words(round), { exact: true }).count()).toBe(1);
      expect(await follower.getByText('open in another tab').count()).toBe(0);
      leader = follower;
    }
  });

  async function crash(page: Page): Promise<void> {
    const session = await page.context().newCDPSession(page);
    const crashed = page.waitForEvent('crash');
    session.send('Page.crash').catch(() => {});
    await crashed;
  }
});
