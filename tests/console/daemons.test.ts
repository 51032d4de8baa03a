/** Several daemons in one console: their list without a browser, and the way from one to the other in a real one. */
import { describe, expect, test } from '@jest/globals';
import { openedDaemon, originOf, parseDaemons, withDaemon, withoutDaemon } from '../../web/store/daemons.js';
import { useWorld } from '../support/world.js';
import { inChromium, pair, useConsolePage } from './support/console-page.js';

describe('the list of daemons', () => {
  const own = 'https://here.example';
  const add = (address: string, name = '', known = parseDaemons(null)) => withDaemon(known, { name, address, own });

  test.each([
    ['companion.example.org', 'https://companion.example.org'],
    [' HTTPS://Companion.example.org:8443/#/s/1 ', 'https://companion.example.org:8443'],
    ['http://127.0.0.1:3001', 'http://127.0.0.1:3001'],
    ['[::1]:3001', 'https://[::1]:3001'],
    ['', undefined],
    ['two words', undefined],
    ['javascript://alert(1)', undefined],
    ['file:///etc/passwd', undefined],
    ['https://ada:secret@companion.example.org', undefined],
  ])('of %j is %s', (typed, origin) => expect(originOf(typed)).toBe(origin));

  test('has each address once, by name, and never its own', () => {
    const one = add('b.example', 'Beta') ?? [];
    const two = add('https://a.example', ' Alpha ', one) ?? [];
    expect(two.map(({ name }) => name)).toEqual(['Alpha', 'Beta']);
    const opened = openedDaemon(two, 'https://b.example', '2026-01-01T00:00:00.000Z');
    expect(add('https://b.example/', 'Zeta', [...opened])).toEqual([
      { name: 'Alpha', origin: 'https://a.example' },
      { name: 'Zeta', origin: 'https://b.example', openedAt: '2026-01-01T00:00:00.000Z' },
    ]);
    expect(add('a.example')).toEqual([{ name: 'a.example', origin: 'https://a.example' }]);
    expect([add('here.example'), add('no address')]).toEqual([undefined, undefined]);
    expect(withoutDaemon(two, 'https://a.example')).toEqual(one);
  });

  test('is what was kept, and empty where that is damaged', () => {
    const kept = [{ name: 'Alpha', origin: 'https://a.example' }];
    expect(parseDaemons(JSON.stringify(kept))).toEqual(kept);
    for (const damaged of [null, '', '{', '[1]', '{"name":"Alpha"}']) expect(parseDaemons(damaged)).toEqual([]);
  });
});

inChromium('several daemons in one console', (path) => {
  const world = useWorld();
  const other = useWorld();
  const shown = useConsolePage(world, path);

  test('one leads to the other, which has its own credentials, and is asked for nothing before', async () => {
    const { page } = shown;
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    const switcher = () => page.getByRole('navigation', { name: 'Daemons', exact: true });
    expect(await switcher().count()).toBe(0);
    await page.getByRole('link', { name: 'Daemons', exact: true }).click();
    await page.getByText('Add a daemon').click();
    const add = async (name: string, address: string) => {
      await page.getByLabel('Name', { exact: true }).fill(name);
      await page.getByLabel('Address', { exact: true }).fill(address);
      await page.getByRole('button', { name: 'Add', exact: true }).click();
    };
    await add('Myself', world.daemon.url);
    await page.getByRole('alert').getByText('It must be the address of another daemon', { exact: false }).waitFor();
    expect(await page.getByLabel('Name', { exact: true }).inputValue()).toBe('Myself');
    await add('Attic', other.daemon.url);
    await page.getByRole('link', { name: 'Attic', exact: true }).waitFor();
    await shown.picture('daemons');
    await page.getByRole('link', { name: 'All sessions' }).click();
    await switcher().getByRole('link', { name: 'Attic', exact: true }).waitFor();
    await shown.picture('daemon-switch');
    expect(asked.filter((url) => url.startsWith(other.daemon.url))).toEqual([]);
    await switcher().getByRole('link', { name: 'Attic', exact: true }).click();
    // Nothing was handed over: it is another origin.
    await page.getByLabel('Pairing code').waitFor();
    expect(new URL(page.url()).origin).toBe(other.daemon.url);
    await pair(other, page);
    expect(await switcher().count()).toBe(0);
    await page.goto(world.daemon.url);
    await page.getByRole('button', { name: 'New session', exact: true }).waitFor();
    const opened = await switcher()
      .getByRole('link', { name: /^Attic/ })
      .textContent();
    expect(opened).toMatch(/Attic .*20\d\d/);
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: 'Go to or do' }).fill('attic');
    await page.keyboard.press('Enter');
    // It knows this browser since.
    await page.waitForURL(`${other.daemon.url}/**`);
    await page.getByRole('button', { name: 'New session', exact: true }).waitFor();
    await page.goto(new URL('/#/daemons', world.daemon.url).href);
    await page.getByRole('button', { name: 'Remove Attic', exact: true }).click();
    await page.getByRole('button', { name: 'Yes: Remove Attic', exact: true }).click();
    await page.getByRole('link', { name: 'Attic', exact: true }).waitFor({ state: 'detached' });
    expect(await page.evaluate('localStorage.getItem("daemons")')).toBe(null);
  });
});
