/** The languages of the console: its catalogues, and the inbox in each, in a real browser. */
import { describe, expect, test } from '@jest/globals';
import type { PushMessage } from '../../services/ports/push.js';
import {
  composeDigest,
  composePush,
  composeSecurity,
  composeTest,
  composeWebhook,
} from '../../services/push/message/compose-message.js';
import { DE } from '../../web/strings/de.js';
import { EN, type Translation } from '../../web/strings/en.js';
import { PUSH_TEXTS } from '../../web/strings/pushes.js';
import { ZH } from '../../web/strings/zh.js';
import { inLanguage } from '../../web/worker/wording.js';
import { AT, budgetOf, RESULTS, resultOf, SESSION, turnOf, WAITING, waitingOf } from '../push/situations.js';
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

/** One of each wording that the daemon knows. */
const ended = (subtype: string) => ({
  kind: subtype.startsWith('error_max_') && !subtype.includes('output') ? ('limit' as const) : ('turn_failed' as const),
  sessionId: SESSION,
  seq: 1,
  at: AT,
  turn: turnOf({ subtype, isError: true, finalResult: '' }),
});
const owed = (kind: 'turn_complete' | 'turn_failed') => ({
  pushId: kind,
  concern: resultOf(kind),
  owedAt: AT,
  expiresAt: AT + 1,
  project: 'api',
});
const ENVELOPE = { pushId: 'push-1', badge: 0, expiresAt: AT };
const PUSHES: PushMessage[] = [
  ...[
    ...WAITING.map((kind) => waitingOf(kind)),
    ...RESULTS.map((kind) => resultOf(kind)),
    ...['child_exited', 'storage_full', 'error_max_structured_output_retries', 'error_of_a_later_cli'].map(ended),
    ...['error_max_turns', 'error_max_budget_usd'].map(ended),
    { ...ended('api_error'), kind: 'limit' as const },
    budgetOf(),
    budgetOf({ state: 'exceeded', unit: 'dollars', of: 'session', period: 'week' }),
  ].map((concern) => composePush(concern, { project: 'api', body: 'state' }, ENVELOPE)),
  composeDigest([owed('turn_complete'), owed('turn_failed')], ENVELOPE),
  composeSecurity('phone', ENVELOPE),
  composeWebhook({ webhookId: 'hook', name: 'https://example.org' }, ENVELOPE),
  composeTest(ENVELOPE),
];

test.each(['de', 'zh'] as const)('in %s every push has its words, with all of its values', (language) => {
  const names = PUSHES.map(({ words }) => words?.name ?? '');
  expect(names.filter((name) => PUSH_TEXTS[language].texts[name] === undefined)).toEqual([]);
  expect(Object.keys(PUSH_TEXTS[language].texts).filter((name) => !names.includes(name))).toEqual([]);
  for (const push of PUSHES) {
    const { subtitle, body } = inLanguage(push, language);
    expect(`${subtitle} ${body}`).not.toMatch(/[{}]|undefined|NaN/);
    expect(subtitle === push.subtitle && subtitle !== 'Test').toBe(false);
  }
});

test('values are put as the language has them, and a quoted body stays', () => {
  const said = (index: number) => inLanguage(PUSHES[index] as PushMessage, 'de').body;
  const at = (name: string) => PUSHES.findIndex(({ words }) => words?.name === name);
  expect(said(at('done'))).toBe('Claude ist nach 3 Min. fertig.');
  expect(said(at('budget_warning'))).toBe('Alle Sitzungen haben heute 80.000 von 100.000 Tokens verbraucht.');
  const quoted = composePush(resultOf('turn_complete'), { project: 'api', body: 'full' }, ENVELOPE);
  expect(inLanguage(quoted, 'de')).toMatchObject({ title: 'api', subtitle: 'Fertig', body: 'All tests pass.' });
  const later = { title: 'api', subtitle: 'New', body: 'New.', words: { name: 'new', values: {}, isQuoted: false } };
  expect(inLanguage(later, 'zh')).toEqual(later);
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
        const page = await shown.stranger({ locale, viewport: { width: 390, height: 844 } });
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
        await page.context().close();
      }
    });
  }),
);
