/** Images, files and commands in a message, in a real browser against the real daemon and the real CLI. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { useWorld } from '../support/world.js';
import { inChromium, useConsolePage } from './support/console-page.js';

const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

inChromium('the composer of the console', (path) =>
  describe('the composer of the console', () => {
    const world = useWorld();
    const shown = useConsolePage(world, path);
    const message = () => shown.page.getByRole('textbox', { name: 'Message', exact: true });
    const image = (name: string) => ({ name, mimeType: 'image/png', buffer: Buffer.from(PIXEL, 'base64') });

    test('takes images by choice and by paste within the limits, and Claude gets them', async () => {
      const { page } = shown;
      const directory = world.daemon.project('studio');
      mkdirSync(join(directory, 'sketches'));
      writeFileSync(join(directory, 'sketches', 'harbour.md'), 'boats');
      await shown.begin(directory, scenario({ text: 'Show me.' }));
      await page.getByText('Show me.', { exact: true }).waitFor();
      await page.getByLabel('Add images').setInputFiles([image('one.png'), image('two.png')]);
      await page.getByRole('img', { name: 'two.png' }).waitFor();
      await page.evaluate(`(() => {
        const field = document.querySelector('.composer textarea');
        const files = new DataTransfer();
        const bytes = Uint8Array.from(atob('${PIXEL}'), (one) => one.charCodeAt(0));
        files.items.add(new File([bytes], 'pasted.png', { type: 'image/png' }));
        files.items.add(new File(['words'], 'notes.txt', { type: 'text/plain' }));
        field.dispatchEvent(new ClipboardEvent('paste', { clipboardData: files, bubbles: true, cancelable: true }));
      })()`);
      await page.getByRole('img', { name: 'pasted.png' }).waitFor();
      await page.getByRole('alert').getByText('notes.txt is no PNG').waitFor();
      await page.getByRole('button', { name: 'Remove one.png' }).click();
      await shown.picture('images');
      await shown.send(scenario({ text: 'Two pictures.' }));
      await page.getByText('Two pictures.', { exact: true }).waitFor();
      await page.getByText('2 images', { exact: true }).waitFor();
      const sent = JSON.stringify(world.api.requests.at(-1)?.messages ?? []);
      expect(sent.split('"type":"image"')).toHaveLength(3);
      expect(await page.locator('.images').count()).toBe(0);
      // The prompt had an `@` in it, for which files were proposed.
      await page.locator('.completion').waitFor({ state: 'detached' });
    });

    test('completes files after @ and commands after /, by keys and by taps', async () => {
      const { page } = shown;
      await message().fill('');
      await message().pressSequentially('Look at @harb');
      await page.getByRole('button', { name: '@sketches/harbour.md' }).waitFor();
      await shown.picture('files');
      await message().press('Enter');
      expect(await message().inputValue()).toBe('Look at @sketches/harbour.md ');
      await message().fill('');
      await message().pressSequentially('/comp');
      await page.getByRole('button', { name: /^\/compact/ }).waitFor();
      await shown.picture('commands');
      await page.getByRole('button', { name: /^\/compact/ }).click();
      expect(await message().inputValue()).toBe('/compact ');
      await message().fill('');
      await message().pressSequentially('/comp');
      await page.getByRole('button', { name: /^\/compact/ }).waitFor();
      await message().press('Escape');
      expect(await page.locator('.completion').count()).toBe(0);
      await message().fill('');
    });
  }),
);
