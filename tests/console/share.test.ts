/** What another app shares with the installed console, as its system posts it: through the worker, into a message. */
import { expect, test } from '@jest/globals';
import { freePort } from '../support/free-port.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';
import { inChromium, useConsolePage } from './support/console-page.js';

const port = await freePort();
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const IMAGE = { name: 'shot.png', mimeType: 'image/png', buffer: Buffer.from(PIXEL, 'base64') };

inChromium('what is shared with the console', (path) => {
  // An address that lasts: only there is a manifest.
  const world = useWorld({ environment: { PORT: String(port) } });
  const shown = useConsolePage(world, path);
  const button = (name: string) => shown.page.getByRole('button', { name, exact: true });

  /** A navigation with a body, as a system makes it; no page of the daemon takes part. */
  async function share(fields: Record<string, string>, files: (typeof IMAGE)[] = []): Promise<void> {
    const { page } = shown;
    await page.evaluate('navigator.serviceWorker.ready');
    await page.goto('about:blank');
    const inputs = Object.keys(fields).map((name) => `<textarea name="${name}"></textarea>`);
    await page.setContent(
      `<form action="${world.daemon.url}/share" method="post" enctype="multipart/form-data">${inputs.join('')}
        <input type="file" name="images" multiple><button>Share</button></form>`,
    );
    for (const [name, text] of Object.entries(fields)) await page.locator(`[name=${name}]`).fill(text);
    await page.locator('[name=images]').setInputFiles(files);
    await button('Share').click();
    await page.getByRole('heading', { name: 'Shared', exact: true }).waitFor();
  }

  test('goes into the first message of a new session, with its images, and is sent by a person alone', async () => {
    const { page } = shown;
    const words = scenario({ text: 'A fine picture.' });
    const before = world.api.requests.length;
    await share({ title: 'Look', text: `${words} https://example.org/a`, url: 'https://example.org/a' }, [IMAGE]);
    await page.getByText('1 image', { exact: true }).waitFor();
    await shown.picture('share');
    expect(await page.locator('.shared').textContent()).toBe(`Look\n${words} https://example.org/a`);
    // A page that is left before a choice loses nothing.
    await page.reload();
    await button('New session').click();
    await page.getByRole('img', { name: 'shot.png' }).waitFor();
    expect(await page.getByLabel('First message').inputValue()).toBe(`Look\n${words} https://example.org/a`);
    await shown.picture('share-new');
    expect(world.api.requests.length).toBe(before);
    await page.getByLabel('First message').fill(words);
    await page.getByLabel('Directory').fill(world.daemon.project('gallery'));
    await button('Start').click();
    await page.getByText('A fine picture.', { exact: true }).waitFor();
    expect(JSON.stringify(world.api.requests.at(-1)?.messages)).toContain('"type":"image"');
    await page.goto(new URL('/#/share', page.url()).href);
    await page.getByText('Nothing was shared.', { exact: true }).waitFor();
  });

  test('goes into the message of a session, below what is written there', async () => {
    const { page } = shown;
    await page.goto(new URL('/#/', page.url()).href);
    await page.getByRole('link', { name: 'gallery', exact: true }).click();
    await page.getByText('A fine picture.', { exact: true }).waitFor();
    await shown.write('Half a thought');
    await share({ text: 'and what was shared' }, [IMAGE]);
    await button('gallery').click();
    await page.getByRole('img', { name: 'shot.png' }).waitFor();
    const message = page.getByRole('textbox', { name: 'Message', exact: true });
    await waitUntil('it is in the message', async () => (await message.inputValue()).includes('shared'));
    expect(await message.inputValue()).toBe('Half a thought\n\nand what was shared');
    await message.fill('');
  });

  test('what is no image is told, and the words are there', async () => {
    await share({ text: 'With a film' }, [{ ...IMAGE, name: 'film.mp4', mimeType: 'video/mp4' }]);
    await button('New session').click();
    await shown.page.getByRole('alert').getByText('film.mp4 is no PNG', { exact: false }).waitFor();
    expect(await shown.page.getByLabel('First message').inputValue()).toBe('With a film');
    await shown.page.getByLabel('First message').fill('');
  });

  test('the manifest offers it to the system', async () => {
    await shown.page.locator('link[rel=manifest]').waitFor({ state: 'attached' });
    const session = await shown.page.context().newCDPSession(shown.page);
    const { errors, data } = await session.send('Page.getAppManifest');
    expect(errors).toEqual([]);
    expect(JSON.parse(data ?? '').share_target).toMatchObject({ action: '/share', method: 'POST' });
  });
});
