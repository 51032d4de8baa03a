/** Signing in by a password, in a real browser against the real daemon. */
import { expect, test } from '@jest/globals';
import { CHEAP_PASSWORDS } from '../support/cheap-passwords.js';
import { addUser, PASSWORD } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { useWorld } from '../support/world.js';
import { violationsIn } from './support/axe.js';
import { inChromium, useConsolePage } from './support/console-page.js';
import { misfitsIn } from './support/measure.js';

inChromium('the password of a person', (path) => {
  const world = useWorld({ environment: CHEAP_PASSWORDS });
  const shown = useConsolePage(world, path);

  test('is asked for where the daemon has such people, signs in, and is renewed like a pairing', async () => {
    const page = await shown.stranger({ viewport: { width: 390, height: 844 } });
    const asked = page.waitForResponse(/auth.methods/);
    await page.goto(world.daemon.url);
    await asked;
    await page.getByLabel('Pairing code').waitFor();
    expect(await page.getByLabel('Password', { exact: true }).count()).toBe(0);
    await addUser(world.daemon, 'ada@example.org');
    await page.reload();
    await page.getByLabel('User name').fill('ada@example.org');
    await page.getByLabel('Password', { exact: true }).fill('not hers at all');
    const submit = page.getByRole('button', { name: 'Sign in', exact: true });
    await submit.click();
    await page.getByRole('alert').getByText('The user name or the password is wrong.', { exact: false }).waitFor();
    expect([await violationsIn(page), await misfitsIn(page)]).toEqual([{}, {}]);
    if (process.env.CONSOLE_PICTURES) await page.screenshot({ path: `${process.env.CONSOLE_PICTURES}/sign-in.png` });
    expect(await page.getByLabel('User name').inputValue()).toBe('ada@example.org');
    await page.getByLabel('Name of this browser').fill('Kitchen');
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await submit.click();
    await page.getByText('No sessions yet.').waitFor();
    // The token that the page has now was renewed with what was kept.
    await page.reload();
    await page.getByText('No sessions yet.').waitFor();
    await page.goto(new URL('/#/devices', page.url()).href);
    await page.getByText('ada@example.org', { exact: true }).waitFor();
    await page.getByRole('heading', { name: 'Kitchen this browser' }).waitFor();
    await page.context().close();
    // The owner's browser knows nothing of her.
    await shown.begin(world.daemon.project('own'), scenario({ text: 'Mine.' }));
    await shown.page.getByText('Mine.', { exact: true }).waitFor();
  });
});
