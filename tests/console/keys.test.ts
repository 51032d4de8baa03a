/** The console by keys alone, and by a finger, in a real browser against the real daemon and the real CLI. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { askLocally } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { useWorld } from '../support/world.js';
import { violationsIn } from './support/axe.js';
import { inChromium, useConsolePage } from './support/console-page.js';

inChromium('the console by keys', (path) =>
  describe('the console by keys', () => {
    const world = useWorld();
    const shown = useConsolePage(world, path);
    const text = (words: string) => shown.page.getByText(words, { exact: true });
    const press = async (...keys: string[]) => {
      for (const key of keys) await shown.page.keyboard.press(key);
    };
    const write = (name: string) => ({ name: 'Write', input: { file_path: name, content: 'x' } });
    /** Whether this is what the keys go to. */
    const focused = (selector: string) => shown.page.locator(selector).and(shown.page.locator(':focus')).waitFor();
    const home = async () => {
      await shown.page.goto(new URL('/#/', shown.page.url()).href);
      await shown.page.getByRole('heading', { name: 'Waits for you' }).waitFor();
    };

    test('without a mouse: pair, begin a session, allow what it asks, stop by the palette', async () => {
      const page = await shown.stranger();
      const keys = page.keyboard;
      const { code } = await askLocally<{ code: string }>(world.daemon, 'POST', '/local/pair', {});
      await page.goto(world.daemon.url);
      await page.getByLabel('Pairing code').waitFor();
      await keys.press('Tab');
      await keys.type(code);
      await keys.press('Enter');
      await page.getByRole('button', { name: 'New session', exact: true }).waitFor();
      await keys.press('n');
      const directory = world.daemon.project('by-keys');
      const file = join(directory, 'a.txt');
      const steps = [{ tools: [write(file)] }, { text: 'By keys alone.', gateAfter: { deltas: 1, gate: 'keys' } }];
      await page.getByLabel('Directory').waitFor();
      await keys.press('Tab');
      await keys.type(directory);
      await page.getByRole('group', { name: 'Projects' }).getByRole('button').first().waitFor();
      const message = page.getByLabel('First message').and(page.locator(':focus'));
      while ((await message.count()) === 0) await keys.press('Tab');
      await keys.type(scenario(...steps));
      await keys.press('Tab');
      await keys.press('Enter');
      await page.getByRole('button', { name: 'Allow once', exact: true }).waitFor();
      await keys.press('j');
      await keys.press('a');
      await page.getByRole('button', { name: 'Allow once', exact: true }).waitFor({ state: 'detached' });
      await world.api.reached('keys');
      expect(existsSync(file)).toBe(true);
      await page.getByRole('button', { name: 'Stop', exact: true }).waitFor();
      await keys.press('Control+k');
      await page.getByRole('combobox', { name: 'Go to or do' }).waitFor();
      await keys.type('stop');
      await keys.press('Enter');
      await page.getByRole('combobox', { name: 'Go to or do' }).waitFor({ state: 'detached' });
      await page.getByRole('status').getByText('idle').waitFor();
      world.api.release('keys');
      await page.context().close();
    });

    test('chooses in the inbox, denies, goes on to the next, and opens it', async () => {
      const { page } = shown;
      const directory = world.daemon.project('chosen');
      for (const [index, name] of ['one', 'two'].entries()) {
        const project = index === 0 ? directory : world.daemon.project('other');
        await shown.begin(project, scenario({ tools: [write(join(project, name))] }, { text: `Over: ${name}.` }));
        await page.getByRole('button', { name: 'Deny', exact: true }).waitFor();
      }
      await home();
      await page.getByRole('button', { name: /^other/, expanded: false }).waitFor();
      await press('j', 'j', 'k');
      await focused('article.card >> nth=0');
      const denied = (await page.locator('article.card').first().getAttribute('aria-label')) ?? '';
      await press('d');
      await page.getByRole('article', { name: denied, exact: true }).waitFor({ state: 'detached' });
      await press('j');
      await focused('article.card');
      await press('Enter');
      await page.getByRole('textbox', { name: 'Message', exact: true }).waitFor();
      await page.getByRole('button', { name: 'Deny', exact: true }).waitFor();
      // Where somebody writes, they are letters.
      await page.getByRole('textbox', { name: 'Message', exact: true }).focus();
      await page.keyboard.type('jakdan?');
      expect(await page.getByRole('textbox', { name: 'Message', exact: true }).inputValue()).toBe('jakdan?');
      expect(await page.getByRole('article', { name: /^Allow Write/ }).count()).toBe(1);
      await shown.write('');
    });

    test('needs more than a key or a swipe for what is no use of a tool', async () => {
      const { page } = shown;
      const question = { question: 'Red or blue?', header: 'Colour', multiSelect: false };
      const options = ['Red', 'Blue'].map((label) => ({ label, description: label }));
      const tools = [{ name: 'AskUserQuestion', input: { questions: [{ ...question, options }] } }];
      await shown.begin(world.daemon.project('asked'), scenario({ tools }, { text: 'Coloured.' }));
      await page.getByRole('radio', { name: /^Red/ }).waitFor();
      const field = page.getByRole('textbox', { name: 'Message', exact: true });
      await field.blur();
      await press('j', 'a');
      await focused('input[type="radio"] >> nth=0');
      await press('Space');
      await page.getByRole('button', { name: 'Answer', exact: true }).click();
      await text('Coloured.').waitFor();
      await page.getByRole('radio').first().waitFor({ state: 'detached' });
      expect(JSON.stringify(world.api.requests.at(-1)?.messages)).toContain('Red');
    });

    test('finds views and sessions in the palette, and shows the keys, which can be turned off', async () => {
      const { page } = shown;
      await home();
      await press('Control+k');
      const field = page.getByRole('combobox', { name: 'Go to or do' });
      await field.fill('chos');
      await page.getByRole('option', { name: /^chosen/, selected: true }).waitFor();
      await shown.picture('palette');
      expect(await violationsIn(page)).toEqual({});
      await press('Enter');
      await page.getByRole('heading', { name: 'chosen', level: 1 }).waitFor();
      await press('Meta+k');
      await field.fill('usage');
      await press('Enter');
      await page.getByRole('heading', { name: 'Usage', level: 1 }).waitFor();
      await press('?');
      const help = page.getByRole('dialog', { name: 'Keys' });
      await help.waitFor();
      await shown.picture('keys');
      expect(await violationsIn(page)).toEqual({});
      await help.getByRole('checkbox').uncheck();
      await press('Escape');
      await help.waitFor({ state: 'detached' });
      await press('n', '?');
      await press('Control+k');
      await field.waitFor();
      expect([page.url().endsWith('/usage'), await help.count()]).toEqual([true, 0]);
      await page.evaluate('localStorage.removeItem("single-keys-off")');
      await press('Escape');
    });

    test('a swipe allows what one tap may and denies the rest, unless it is taken back', async () => {
      const { page } = shown;
      const directory = world.daemon.project('swiped');
      const file = join(directory, 'b.txt');
      await shown.begin(directory, scenario({ tools: [write(file)] }, { text: 'Swiped.' }));
      await page.getByRole('button', { name: 'Allow once', exact: true }).waitFor();
      await home();
      await page.getByRole('button', { name: /^swiped/, expanded: false }).click();
      const card = page.locator('article.card', { hasText: 'swiped' });
      await card.waitFor();
      const session = await page.context().newCDPSession(page);
      const swipe = async (by: number) => {
        // A finger touches what is seen, and the card is another height with each word in it.
        await card.evaluate((one) => one.scrollIntoView({ block: 'center' }));
        const box = await card.boundingBox();
        const [x, y] = [(box?.x ?? 0) + 180, (box?.y ?? 0) + 12];
        const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', points: { x: number; y: number }[]) =>
          session.send('Input.dispatchTouchEvent', { type, touchPoints: points });
        await touch('touchStart', [{ x, y }]);
        for (const part of [0.3, 0.6, 1]) await touch('touchMove', [{ x: x + by * part, y }]);
        await touch('touchEnd', []);
      };
      // Until it is asked for, no answer is sent: this machine can be slower than the time to undo.
      await page.clock.install();
      await page.clock.pauseAt(Date.now() + 60_000);
      await swipe(60);
      expect(await card.getByRole('button', { name: 'Undo' }).count()).toBe(0);
      await swipe(-150);
      await card.getByText('It is denied in a moment.').waitFor();
      await card.getByRole('button', { name: 'Undo' }).click();
      await swipe(150);
      await card.getByText('It is allowed in a moment.').waitFor();
      await shown.picture('swiped');
      await page.clock.resume();
      await card.waitFor({ state: 'detached' });
      await world.daemon.until(() => existsSync(file));
      expect(await page.getByRole('alert').count()).toBe(0);
    });
  }),
);
