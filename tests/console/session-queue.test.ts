/** What waits in a session, in a real browser against the real daemon and the real CLI. */
import { describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';
import { inChromium, useConsolePage } from './support/console-page.js';

inChromium('the queue of the console', (path) =>
  describe('the queue of the console', () => {
    const world = useWorld();
    const shown = useConsolePage(world, path);
    const queued = () => shown.page.locator('.queue li');
    const button = (name: string | RegExp) => shown.page.getByRole('button', { name, exact: true });
    const waits = (count: number) => waitUntil(`${count} prompts wait`, async () => (await queued().count()) === count);

    test('is shown while a turn runs; its prompts are edited, moved and cancelled', async () => {
      const { page } = shown;
      await shown.begin(world.daemon.project('orchard'), scenario({ text: 'Pruned.', gate: 'prune' }));
      await world.api.reached('prune');
      for (const text of ['water the pears', 'pick the plums', 'burn the leaves']) {
        await shown.send(text);
        await queued().getByText(text).waitFor();
      }
      await shown.picture('queue');
      await button('Move up “pick the plums”').click();
      await page.locator('.queue li:first-child').getByText('pick the plums').waitFor();
      await button('Cancel “burn the leaves”').click();
      await waits(2);
      await button('Edit “water the pears”').click();
      await page.getByRole('textbox', { name: 'Waiting message' }).fill('water the quinces');
      await shown.picture('queue-edit');
      // What is written outlives the page, and is not sent before it is saved.
      await page.reload();
      await button('Edit “water the pears”').click();
      expect(await page.getByRole('textbox', { name: 'Waiting message' }).inputValue()).toBe('water the quinces');
      await button('Save').click();
      await queued().getByText('water the quinces').waitFor();
      await page.reload();
      await queued().getByText('water the quinces').waitFor();
      const texts = await queued().allTextContents();
      expect(texts.map((text) => text.replace(/[↑✎✕]/g, ''))).toEqual(['pick the plums', 'water the quinces']);
    });

    test('is held by Stop, and goes on when it is asked to', async () => {
      const { page } = shown;
      await button('Stop').click();
      await page.getByText('Held: nothing starts until you continue.').waitFor();
      // Only now: a turn that ends before the daemon is told to stop it holds nothing.
      world.api.release('prune');
      await shown.picture('queue-held');
      await button('Continue').click();
      await waits(0);
      await page.getByRole('article', { name: 'You' }).getByText('water the quinces').waitFor();
      expect(await button('Continue').count()).toBe(0);
    });

    test('is passed by a prompt that steers the running turn', async () => {
      const { page } = shown;
      await shown.send(
        scenario(
          { tools: [{ name: 'Bash', input: { command: 'true' } }], gate: 'steered' },
          { text: 'Both are done.' },
        ),
      );
      await world.api.reached('steered');
      await page.getByRole('radio', { name: 'Now' }).check();
      await shown.write('and the apples');
      await shown.picture('steer');
      await button('Send').click();
      await waitUntil('it is accepted', async () => {
        const written = await page.getByRole('textbox', { name: 'Message', exact: true }).inputValue();
        return written === '';
      });
      world.api.release('steered');
      await page.getByText('Both are done.', { exact: true }).waitFor();
      await page.getByRole('article', { name: 'You' }).getByText('and the apples').waitFor();
      const sent = world.api.requests.map(({ messages }) => JSON.stringify(messages));
      expect(sent.find((messages) => messages.includes('and the apples'))).toContain('steered');
    });
  }),
);
