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

    test('a preview says what changes before a message is undone with its files', async () => {
      const { page } = shown;
      const directory = world.daemon.project('cellar');
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
  }),
);
