/** What goes wrong on the way in: each says what happened and the one thing to do, and what was typed is still there. */
import { afterAll, afterEach, expect, test } from '@jest/globals';
import { createDiskFaults } from '../faults/support/disk-faults.js';
import { askLocally, askOver } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { useWorld } from '../support/world.js';
import { inChromium, useConsolePage } from './support/console-page.js';

inChromium('bad input to the console', (path) => {
  const faults = createDiskFaults();
  const world = useWorld({ environment: faults.environment });
  const shown = useConsolePage(world, path);
  afterEach(() => faults.set());
  afterAll(() => faults.close());
  const button = (name: string) => shown.page.getByRole('button', { name, exact: true });
  const message = () => shown.page.getByRole('textbox', { name: 'Message', exact: true });
  const alert = (words: string) => shown.page.getByRole('alert').getByText(words, { exact: false });
  const goTo = (hash: string) => shown.page.goto(new URL(`/${hash}`, shown.page.url()).href);

  /** Opens a session and leaves words in its message. */
  const open = async (name: string, words: string) => {
    const id = await shown.begin(world.daemon.project(name), scenario({ text: `Here is ${name}.` }));
    await shown.page.getByText(`Here is ${name}.`, { exact: true }).waitFor();
    await shown.write(words);
    return id;
  };

  test('a link that no view has says so and leads to the sessions; a draft is where it was', async () => {
    const { page } = shown;
    const id = await open('links', 'Half a thought');
    for (const hash of ['#/nowhere/at/all', '#/s/']) {
      await goTo(hash);
      await page.getByRole('heading', { name: 'This link leads nowhere', exact: true }).waitFor();
    }
    await shown.picture('lost');
    await page.getByRole('button', { name: 'All sessions' }).click();
    await page.getByRole('link', { name: 'links', exact: true }).click();
    expect([page.url().endsWith(id), await message().inputValue()]).toEqual([true, 'Half a thought']);
  });

  test('a damaged, a used and an unknown code ask for another one, and leave what was typed', async () => {
    const page = await shown.stranger();
    await page.goto(`${world.daemon.url}/#pair=AB!C`);
    await page.getByRole('alert').getByText('The link to pair is damaged.', { exact: false }).waitFor();
    expect(page.url()).toBe(`${world.daemon.url}/`);
    const { code } = await askLocally<{ code: string }>(world.daemon, 'POST', '/local/pair', {});
    const body = { code, deviceName: 'faster', platform: 'web' };
    expect((await askOver(world.daemon, 'POST', '/api/auth/pair', { body })).status).toBe(200);
    await page.getByLabel('Name of this browser').fill('Kitchen');
    await page.getByLabel('Pairing code').fill(code);
    await page.getByRole('button', { name: 'Pair', exact: true }).click();
    await page.getByRole('alert').getByText('The code is wrong, used or older', { exact: false }).waitFor();
    expect(await page.getByLabel('Pairing code').inputValue()).toBe(code);
    expect(await page.getByLabel('Name of this browser').inputValue()).toBe('Kitchen');
    await page.goto('about:blank');
    await page.goto(`${world.daemon.url}/#pair=${code}`);
    await page.getByRole('alert').getByText('Ask for a new one.', { exact: false }).waitFor();
    await page.context().close();
  });

  test('a session that never was says so, and what is written to it goes along to a new one', async () => {
    await goTo('#/s/unknown');
    await alert('There is no such session any more.').waitFor();
    await shown.write('To nobody');
    await button('New session with it').click();
    expect(await shown.page.getByLabel('First message').inputValue()).toBe('To nobody');
    await goTo('#/s/unknown');
    await alert('There is no such session any more.').waitFor();
    expect(await message().inputValue()).toBe('');
    await goTo('#/new');
    await shown.page.getByLabel('First message').fill('');
  });

  test.each([
    { how: 'removed', query: '?purge=true' },
    { how: 'closed', query: '' },
  ])('a session that is $how while it is open keeps what is written, and that goes on in a new one', async (of) => {
    const { page } = shown;
    const words = scenario({ text: `Answered after it was ${of.how}.` });
    const id = await open(of.how, words);
    expect((await world.daemon.fetch(`/api/sessions/${id}${of.query}`, { method: 'DELETE' })).ok).toBe(true);
    await page.getByRole('status').getByText('closed', { exact: true }).waitFor();
    await button('Send').click();
    await alert('Not sent: The session takes nothing more.').waitFor();
    expect(await message().inputValue()).toBe(words);
    await shown.picture(of.how);
    await button('New session with it').click();
    expect(await page.getByLabel('Directory').inputValue()).toBe(world.daemon.project(of.how));
    await button('Start').click();
    await page.getByText(`Answered after it was ${of.how}.`, { exact: true }).waitFor();
  });

  test('a full disk of the daemon refuses a message and a session: the words stay, and are sent when there is room', async () => {
    const { page } = shown;
    const words = scenario({ text: 'Now there is room.' });
    await open('full', words);
    const full = { call: 'sqlite', match: 'INSERT INTO sessions', code: 'SQLITE_FULL' } as const;
    faults.set(full);
    await button('Send').click();
    await alert('Not sent: The disk of the daemon takes nothing more').waitFor();
    expect(await message().inputValue()).toBe(words);
    await shown.picture('full');
    await page.reload();
    await page.getByText('Here is full.', { exact: true }).waitFor();
    expect(await message().inputValue()).toBe(words);
    faults.set();
    await button('Send').click();
    await page.getByText('Now there is room.', { exact: true }).waitFor();
    await goTo('#/new');
    await page.getByLabel('Directory').fill(world.daemon.project('other'));
    await page.getByLabel('First message').fill('In the other');
    faults.set(full);
    await button('Start').click();
    await alert('The disk of the daemon takes nothing more').waitFor();
    expect(await page.getByLabel('First message').inputValue()).toBe('In the other');
    await page.getByLabel('First message').fill('');
  });

  test('a browser without room says that a text is not kept, and sends it all the same', async () => {
    const { page } = shown;
    await open('crowded', '');
    await page.evaluate(`Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }`);
    const words = scenario({ text: 'Sent without room.' });
    await shown.write(words);
    await alert('This browser has no room').waitFor();
    expect(await message().inputValue()).toBe(words);
    await button('Send').click();
    await page.getByText('Sent without room.', { exact: true }).waitFor();
    await page.reload();
  });
});
