/** Subagents in the console, in a real browser against the real daemon and the real CLI. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { useWorld } from '../support/world.js';
import { inChromium, useConsolePage } from './support/console-page.js';

/** More messages than a page of the history has. */
const STEPS = 60;

inChromium('subagents in the console', (path) =>
  describe('subagents in the console', () => {
    const world = useWorld();
    const shown = useConsolePage(world, path);
    const button = (name: string) => shown.page.getByRole('button', { name, exact: true });
    let id = '';

    test('two ask at once: each is named, one is open, and each answer has one button', async () => {
      const { page } = shown;
      const helper = (file: string) => {
        const tools = [{ name: 'Bash', input: { command: `touch ${file}`, description: `Make ${file}` } }];
        const prompt = scenario({ tools }, { text: `${file} is done.` });
        const input = { description: file, prompt, subagent_type: 'general-purpose', run_in_background: false };
        return { name: 'Agent', input };
      };
      const client = await world.connect({ deviceId: 'desk' });
      const workingDirectory = world.daemon.project('team');
      const started = await client.request('streamStart', {
        prompt: scenario({ tools: [helper('one'), helper('two')] }, { text: 'Both have answered.' }),
        workingDirectory,
        options: { allowedTools: ['Agent'] },
      });
      id = started.data.sessionId;
      await page.goto(new URL(`/#/s/${id}`, page.url()).href);
      const folded = page.locator('.requests button.folded');
      await folded.waitFor();
      await shown.picture('two-requests');
      expect([await button('Allow once').count(), await button('Deny').count(), await folded.count()]).toEqual([
        1, 1, 1,
      ]);
      const card = page.locator('.requests article:visible');
      expect(await card.getByText('a subagent asks', { exact: true }).count()).toBe(1);
      expect(await card.getByText(workingDirectory, { exact: true }).count()).toBe(1);
      const other = (await folded.textContent())?.includes('one') ? 'one' : 'two';
      await folded.click();
      await card.getByText(`touch ${other}`, { exact: true }).waitFor();
      expect(await button('Allow once').count()).toBe(1);
      await button('Allow once').click();
      await folded.waitFor({ state: 'detached' });
      await button('Deny').click();
      await page.getByText('Both have answered.', { exact: true }).waitFor();
      const made = ['one', 'two'].filter((file) => existsSync(join(workingDirectory, file)));
      expect(made).toEqual([other]);
    });

    test('what they have said is below their tools, also in messages that are loaded later', async () => {
      const { page } = shown;
      const missing = { name: 'Read', input: { file_path: join(world.daemon.project('team'), 'missing.txt') } };
      const steps = Array.from({ length: STEPS }, (_, index) => ({
        text: `Step ${index}.\n\n${'It takes a few lines. '.repeat(20)}`,
        tools: [missing],
      }));
      await shown.send(scenario(...steps, { text: 'The end.' }));
      await page.getByText('The end.', { exact: true }).waitFor();
      const said = page.locator('details.tool').getByText('one is done.', { exact: true });
      await said.waitFor({ state: 'attached' });
      await page.reload();
      await page.getByText('The end.', { exact: true }).waitFor();
      expect(await said.count()).toBe(0);
      await page.locator('.section article p', { hasText: /^Step/ }).first().scrollIntoViewIfNeeded();
      await said.waitFor({ state: 'attached' });
      expect(await page.getByText('one is done.', { exact: true }).count()).toBe(1);
    });
  }),
);
