/** Going back in a session, in a real browser against the real daemon and the real CLI. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';
import { inChromium, useConsolePage } from './support/console-page.js';

inChromium('going back in a session of the console', (path) =>
  describe('going back in a session of the console', () => {
    const world = useWorld();
    const shown = useConsolePage(world, path);
    let directory = '';

    test('a preview says what changes before a message is undone with its files', async () => {
      const { page } = shown;
      directory = world.daemon.project('cellar');
      const file = join(directory, 'wine.txt');
      await shown.begin(directory, scenario({ text: 'Ready.' }));
      await page.getByText('Ready.', { exact: true }).waitFor();
      await shown.send(
        scenario({ tools: [{ name: 'Write', input: { file_path: file, content: 'red\n' } }] }, { text: 'Written.' }),
      );
      await page.getByRole('button', { name: 'Allow once', exact: true }).click();
      await page.getByText('Written.', { exact: true }).waitFor();
      await page.locator('.state', { hasText: 'idle' }).waitFor();
      await page.getByRole('button', { name: 'Go back to before this message' }).last().click();
      const panel = page.getByRole('region', { name: 'Go back to before this message' });
      await panel.getByText('1 file changes').waitFor();
      await panel.getByText(file).waitFor();
      await shown.picture('rewind');
      expect(existsSync(file)).toBe(true);
      await panel.getByRole('button', { name: 'Go back', exact: true }).click();
      await page.getByText('Files and conversation went back to before a message.').waitFor();
      await waitUntil('the file is gone', () => !existsSync(file));
      await shown.send(scenario({ text: 'Again.' }));
      await page.getByText('Again.', { exact: true }).waitFor();
      expect(JSON.stringify(world.api.requests.at(-1)?.messages)).not.toContain('wine.txt');
    });

    test('what a turn has changed is undone, after a preview and only when that is confirmed', async () => {
      const { page } = shown;
      const file = join(directory, 'beer.txt');
      const write = { name: 'Write', input: { file_path: file, content: 'dark\n' } };
      await shown.send(scenario({ tools: [write] }, { text: 'Brewed.' }));
      await page.getByRole('button', { name: 'Allow once', exact: true }).click();
      await page.getByText('Brewed.', { exact: true }).waitFor();
      await page.locator('.state', { hasText: 'idle' }).waitFor();
      const changes = page.locator('details.changes').last();
      await changes.locator('.diff', { hasText: 'beer.txt' }).waitFor({ state: 'attached' });
      await changes.locator('summary').click();
      await changes.getByRole('link', { name: 'beer.txt', exact: true }).waitFor();
      const undo = changes.getByRole('button', { name: 'Undo the changes of this turn', exact: true });
      await undo.click();
      const panel = changes.getByRole('region', { name: 'Undo the changes of this turn' });
      await panel.getByText(file).waitFor();
      await shown.picture('undo');
      await panel.getByRole('button', { name: 'Cancel', exact: true }).click();
      expect(existsSync(file)).toBe(true);
      await undo.click();
      await panel.getByText(file).waitFor();
      await panel.getByRole('button', { name: 'Put the files back', exact: true }).click();
      await page.getByText('Files went back to before a message.', { exact: true }).waitFor();
      await waitUntil('the file is gone', () => !existsSync(file));
      await shown.send(scenario({ text: 'Cheers.' }));
      await page.getByText('Cheers.', { exact: true }).waitFor();
      expect(JSON.stringify(world.api.requests.at(-1)?.messages)).toContain('beer.txt');
    });

    test('a turn whose changes Claude has no copy of says so, and undoes nothing', async () => {
      const { page } = shown;
      const command = 'echo pale > ale.txt';
      const bash = { name: 'Bash', input: { command, description: 'Brew' } };
      await shown.send(scenario({ tools: [bash] }, { text: 'Poured.' }));
      await page.getByRole('button', { name: 'Allow once', exact: true }).click();
      await page.getByText('Poured.', { exact: true }).waitFor();
      await page.locator('.state', { hasText: 'idle' }).waitFor();
      const changes = page.locator('details.changes').last();
      await changes.locator('.diff', { hasText: 'ale.txt' }).waitFor({ state: 'attached' });
      await changes.locator('summary').click();
      await changes.getByRole('button', { name: 'Undo the changes of this turn', exact: true }).click();
      await changes
        .getByRole('status')
        .last()
        .getByText(/^No file would come back/)
        .waitFor();
      expect(await changes.getByRole('button', { name: 'Put the files back', exact: true }).isDisabled()).toBe(true);
      expect(existsSync(join(directory, 'ale.txt'))).toBe(true);
    });
  }),
);
