/** Images, files and commands in a message, in a real browser against the real daemon and the real CLI. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { freePort } from '../support/free-port.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';
import { inChromium, useConsolePage } from './support/console-page.js';

const port = await freePort();
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

inChromium('the composer of the console', (path) =>
  describe('the composer of the console', () => {
    // The address of a daemon outlives it.
    const world = useWorld({ environment: { PORT: String(port) } });
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

    const runsOf = async (id: string): Promise<number> => {
      const answer = await world.daemon.fetch(`/api/sessions/${id}/prompts`);
      return ((await answer.json()) as { total: number }).total;
    };

    test('I1: images outlive the page, and are sent once with their text, whatever ends before the answer', async () => {
      const { page } = shown;
      const id = new URL(page.url()).hash.replace('#/s/', '');
      const before = await runsOf(id);
      await page.getByLabel('Add images').setInputFiles([image('kept.png'), image('other.png')]);
      await page.getByRole('img', { name: 'other.png' }).waitFor();
      await page.getByRole('button', { name: 'Remove other.png' }).click();
      await page.reload();
      await page.getByRole('img', { name: 'kept.png' }).waitFor();
      expect(await page.getByRole('img', { name: 'other.png' }).count()).toBe(0);
      await page.evaluate('navigator.serviceWorker.ready');
      await world.daemon.kill('SIGKILL');
      await page.getByText('No connection. Trying again…').waitFor();
      await shown.send(scenario({ text: 'One picture.' }));
      await page.reload();
      await page.getByRole('img', { name: 'kept.png' }).waitFor();
      await world.daemon.start();
      await page.getByText('One picture.', { exact: true }).waitFor();
      await page.getByText('1 image', { exact: true }).waitFor();
      await page.getByRole('img', { name: 'kept.png' }).waitFor({ state: 'detached' });
      expect(await message().inputValue()).toBe('');
      expect(await runsOf(id)).toBe(before + 1);
      await page.reload();
      await page.getByText('One picture.', { exact: true }).waitFor();
      expect(await page.locator('.images').count()).toBe(0);
      // The browser itself tells of a connection that was lost.
      for (const fault of shown.faults.splice(0)) expect(fault).toMatch(/ERR_|WebSocket connection/);
    });

    test('I1: the first message of a session, with its image, runs once where its page ends before the answer', async () => {
      const context = shown.page.context();
      const page = await context.newPage();
      let isLost = false;
      await page.routeWebSocket(/\/ws/, (socket) => {
        socket.connectToServer().onMessage((frame) => {
          if (!isLost) socket.send(frame);
        });
      });
      await shown.page.goto('about:blank');
      await page.goto(`${world.daemon.url}/#/new`);
      await page.getByLabel('Directory').fill(world.daemon.project('first'));
      const prompt = scenario({ text: 'Begun once.' });
      await page.getByLabel('First message').fill(prompt);
      await page.getByLabel('Add images').setInputFiles([image('first.png')]);
      await page.getByRole('img', { name: 'first.png' }).waitFor();
      isLost = true;
      await page.getByRole('button', { name: 'Start' }).click();
      await waitUntil('it runs', () => world.api.runs(prompt) === 1);
      isLost = false;
      await page.reload();
      await page.getByRole('img', { name: 'first.png' }).waitFor();
      expect(await page.getByLabel('First message').inputValue()).toBe(prompt);
      await page.getByRole('button', { name: 'Start' }).click();
      await page.getByText('Begun once.', { exact: true }).waitFor();
      await page.getByText('1 image', { exact: true }).waitFor();
      expect(world.api.runs(prompt)).toBe(1);
      await page.goto(`${world.daemon.url}/#/new`);
      await page.getByLabel('First message').waitFor();
      expect(await page.locator('.images').count()).toBe(0);
      await page.close();
      await shown.page.goBack();
      await message().waitFor();
    });

    test('I1: a message is sent although the database of its images stays silent', async () => {
      const page = await shown.page.context().newPage();
      await page.addInitScript(`(() => {
        const { open } = IDBFactory.prototype;
        IDBFactory.prototype.open = function (name) { return name.endsWith('images') ? {} : open.call(this, name); };
      })()`);
      await page.goto(shown.page.url());
      const prompt = scenario({ text: 'Sent all the same.' });
      await page.getByRole('textbox', { name: 'Message', exact: true }).fill(prompt);
      await page.getByRole('button', { name: 'Send', exact: true }).click();
      await page.getByText('Sent all the same.', { exact: true }).waitFor();
      expect(world.api.runs(prompt)).toBe(1);
      await page.close();
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
