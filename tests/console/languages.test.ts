/** The languages of the console: its catalogues, and the inbox in each, in a real browser. */
import { describe, expect, test } from '@jest/globals';
import { DE } from '../../web/strings/de.js';
import { EN, type Translation } from '../../web/strings/en.js';
import { ZH } from '../../web/strings/zh.js';
import { askLocally } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { useWorld } from '../support/world.js';
import { violationsIn } from './support/axe.js';
import { inChromium, useConsolePage } from './support/console-page.js';
import { misfitsIn } from './support/measure.js';

const ENGLISH: Translation = EN;

/** The names of the values in a text, in all of its forms. */
const valuesIn = (text: Translation[string] | undefined): string[] => {
  const forms = typeof text === 'string' ? text : Object.values(text ?? {}).join(' ');
  return [...new Set(forms.match(/\{\w+\}/g))].sort();
};

test.each([
  ['German', DE],
  ['Chinese', ZH],
])('%s has no text that English lacks, and the values of each text', (_, translation) => {
  const keys = Object.keys(translation);
  expect(keys.filter((key) => !Object.hasOwn(ENGLISH, key))).toEqual([]);
  const others = keys.filter((key) => String(valuesIn(translation[key])) !== String(valuesIn(ENGLISH[key])));
  // The English form for one has the number in it.
  expect(others).toEqual([]);
});

const TEXTS = [
  {
    locale: 'de-AT',
    code: 'Kopplungscode',
    pair: 'Koppeln',
    waits: 'Wartet auf dich',
    allow: 'Einmal erlauben',
    deny: 'Ablehnen',
    session: 'Neue Sitzung',
    devices: 'Geräte',
  },
  {
    locale: 'zh-CN',
    code: '配对码',
    pair: '配对',
    waits: '等待您处理',
    allow: '允许一次',
    deny: '拒绝',
    session: '新建会话',
    devices: '设备',
  },
];

inChromium('the languages of the console', (path) =>
  describe('the languages of the console', () => {
    const world = useWorld();
    const shown = useConsolePage(world, path);

    test('the inbox is in the language of the browser, until another one is chosen', async () => {
      const file = { file_path: 'a.txt', content: 'a' };
      await shown.begin(world.daemon.project('garden'), scenario({ tools: [{ name: 'Write', input: file }] }));
      await shown.page.getByRole('button', { name: 'Allow once', exact: true }).waitFor();
      for (const { locale, code, pair, waits, allow, deny, session, devices } of TEXTS) {
        const context = await shown.page
          .context()
          .browser()
          ?.newContext({ locale, viewport: { width: 390, height: 844 } });
        const page = await context?.newPage();
        if (!page) throw new Error('no page');
        const button = (name: string) => page.getByRole('button', { name, exact: true });
        await page.goto(world.daemon.url);
        const given = await askLocally<{ code: string }>(world.daemon, 'POST', '/local/pair', {});
        await page.getByLabel(code).fill(given.code);
        await button(pair).click();
        await page.getByRole('region', { name: waits }).getByRole('button', { name: allow, exact: true }).waitFor();
        await button(session).waitFor();
        expect(await page.getByRole('region', { name: waits }).getByRole('button', { name: deny }).count()).toBe(1);
        expect(await page.locator('html').getAttribute('lang')).toBe(locale.slice(0, 2));
        if (process.env.CONSOLE_PICTURES)
          await page.screenshot({ path: `${process.env.CONSOLE_PICTURES}/${locale}.png` });
        expect([await violationsIn(page), await misfitsIn(page)]).toEqual([{}, {}]);
        await page.getByRole('link', { name: devices, exact: true }).click();
        const time = page.locator('time').first();
        await time.waitFor();
        const at = new Date((await time.getAttribute('datetime')) ?? '');
        const styles = { dateStyle: 'medium', timeStyle: 'short' } as const;
        expect(await time.textContent()).toBe(new Intl.DateTimeFormat(locale, styles).format(at));
        await page.goBack();
        await page.locator('footer select').selectOption('English');
        await button('New session').waitFor();
        expect(await page.locator('html').getAttribute('lang')).toBe('en');
        await context?.close();
      }
    });
  }),
);
