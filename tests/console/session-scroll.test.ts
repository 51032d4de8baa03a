/** A long conversation of the console, in a real browser against the real daemon and the real CLI. */
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { useWorld } from '../support/world.js';
import { inChromium, useConsolePage } from './support/console-page.js';

const STEPS = 80;

inChromium('a long conversation in the console', (path) =>
  describe('a long conversation in the console', () => {
    const world = useWorld();
    const shown = useConsolePage(world, path);
    const topOf = (words: string) =>
      shown.page.getByText(words, { exact: true }).evaluate((element) => element.getBoundingClientRect().top);

    test('what is read stays where it is while text streams below it and older messages come in above it', async () => {
      const { page } = shown;
      const directory = world.daemon.project('long');
      const missing = { name: 'Read', input: { file_path: join(directory, 'missing.txt') } };
      const steps = Array.from({ length: STEPS }, (_, index) => ({
        text: `Step ${index}.\n\n${'It takes a few lines. '.repeat(20)}`,
        tools: [missing],
      }));
      const end = `${'Line by line.\n\n'.repeat(40)}The end.`;
      const sessionId = await shown.begin(
        directory,
        scenario(...steps, { text: end, chunk: 4, gateAfter: { deltas: 40, gate: 'middle' } }),
      );
      await world.api.reached('middle');
      await page.getByText('Line by line.', { exact: true }).first().waitFor();
      const list = page.getByRole('log');
      const isAtEnd = () => list.evaluate((one) => one.scrollHeight - one.scrollTop - one.clientHeight < 2);
      expect(await isAtEnd()).toBe(true);
      await page.getByText('Step 78.', { exact: true }).scrollIntoViewIfNeeded();
      const newest = page.getByRole('button', { name: 'Newest messages' });
      await newest.waitFor();
      const before = await topOf('Step 78.');
      world.api.release('middle');
      await page.getByText('The end.', { exact: true }).waitFor({ state: 'attached' });
      expect(Math.abs((await topOf('Step 78.')) - before)).toBeLessThan(2);
      await newest.click();
      await newest.waitFor({ state: 'detached' });
      expect(await isAtEnd()).toBe(true);

      await page.reload();
      await page.getByText('The end.', { exact: true }).waitFor();
      expect(new URL(page.url()).hash).toBe(`#/s/${sessionId}`);
      expect(await page.getByText('Step 5.', { exact: true }).count()).toBe(0);
      const oldest = page.locator('.section article p', { hasText: /^Step/ }).first();
      const words = (await oldest.textContent()) ?? '';
      await oldest.scrollIntoViewIfNeeded();
      const place = await topOf(words);
      await page.getByText('Step 5.', { exact: true }).waitFor({ state: 'attached' });
      expect(Math.abs((await topOf(words)) - place)).toBeLessThan(2);
    });

    test('a message is found by its words, has an address, and is copied', async () => {
      const { page } = shown;
      await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
      const copied = () => page.evaluate('navigator.clipboard.readText()') as Promise<string>;
      await page.reload();
      await page.getByText('The end.', { exact: true }).waitFor();
      await page.getByRole('button', { name: 'Search in this session' }).click();
      await page.getByLabel('Words in this session').fill('"Step 3"');
      await page.getByLabel('Words in this session').press('Enter');
      const results = page.getByRole('region', { name: 'Results' });
      await results.getByText('Claude').first().waitFor();
      await shown.picture('session-search');
      await results
        .getByRole('button', { name: /Claude/ })
        .first()
        .click();
      const message = page.locator('.claude', { hasText: /^Step 3\./ });
      await message.and(page.locator(':focus')).waitFor();
      expect(await message.evaluate((one) => one.getBoundingClientRect().top)).toBeLessThan(700);
      await message.getByRole('button', { name: 'More of this message' }).click();
      await shown.picture('message');
      await message.getByRole('button', { name: 'Copy message as Markdown' }).click();
      await message.getByText('Copied.').waitFor();
      expect(await copied()).toMatch(/^Step 3\.\n\nIt takes/);
      await message.getByRole('button', { name: 'Copy link to message' }).click();
      await message.getByText('Copied.').nth(1).waitFor();
      const address = await copied();
      await page.goto('about:blank');
      await page.goto(address);
      await message.and(page.locator(':focus')).waitFor();
      await page.goto(`${address}-which-never-was`);
      await page.getByRole('alert').getByText('not in the conversation').waitFor();
    });
  }),
);
