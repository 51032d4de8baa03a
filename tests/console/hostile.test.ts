/** What a hostile model, file or server could have the console show: it does nothing, hides nothing, and stops nothing. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { countOf } from '../support/counts.js';
import { scenario } from '../support/scripted-api.js';
import { useWorld } from '../support/world.js';
import { inChromium, useConsolePage } from './support/console-page.js';

const MILLION = 1_000_000;
/** The longest that a page may be busy with what it is given, on a machine that does other things as well. */
const BUSY_MS = 5000;
/** The CLI takes half a minute for what is longest. */
const LONG = { timeout: 120_000 };
const LONG_TEST_MS = 180_000;

/** That of the page since it was loaded. What is over is told in a task of its own. */
const LONGEST = `new Promise((resolve) => {
  let longest = 0;
  new PerformanceObserver((list) => {
    longest = Math.max(longest, ...list.getEntries().map(({ duration }) => duration));
  }).observe({ type: 'longtask', buffered: true });
  requestAnimationFrame(() => setTimeout(() => resolve(longest)));
})`;

const row = (cell: string) => `|${`${cell}|`.repeat(8)}`;
const TABLE = [row('head'), row('-'), ...Array.from({ length: 1500 }, (_, index) => row(`cell ${index}`))].join('\n');

inChromium('hostile content in the console', (path) =>
  describe('hostile content in the console', () => {
    const world = useWorld();
    const shown = useConsolePage(world, path);
    const button = (name: string) => shown.page.getByRole('button', { name, exact: true });
    const message = () => shown.page.getByRole('textbox', { name: 'Message', exact: true });

    afterEach(async () => {
      const { page } = shown;
      expect(await page.evaluate('globalThis.hacked')).toBe(undefined);
      expect(await page.evaluate('document.documentElement.scrollWidth <= document.documentElement.clientWidth')).toBe(
        true,
      );
    });

    test.each([
      { what: 'a line of 5 MB', text: 'x', repeat: countOf({ full: 5 * MILLION, fast: MILLION }) },
      { what: 'a million emoji', text: '👩‍🚀', repeat: countOf({ full: MILLION, fast: MILLION / 10 }) },
      { what: 'a table of 1,500 rows', text: `${TABLE}\n\n`, repeat: 1 },
      { what: 'a million marks', text: '*_`[(<', repeat: MILLION / 6 },
      { what: 'emphasis without an end', text: 'a**b', repeat: 20_000 },
      { what: 'ten thousand quotes in each other', text: '> ', repeat: 10_000 },
      { what: 'ten thousand lists in each other', text: '- ', repeat: 10_000 },
      { what: 'seven hundred blocks of code', text: '```diff\n@@ -1 +1 @@\n-a\n+b\n```\n', repeat: 700 },
    ])(
      '$what is shown, and the page takes what is typed',
      async ({ what, text, repeat }) => {
        const { page } = shown;
        await shown.begin(world.daemon.project(what.replaceAll(/\W+/g, '-')), scenario({ text, repeat }));
        await page
          .getByText(/^\s*\d+\.\d s/)
          .last()
          .waitFor(LONG);
        await message().pressSequentially('Still here.');
        expect(await message().inputValue()).toBe('Still here.');
        const streamed = Number(await page.evaluate(LONGEST));
        await page.reload();
        await page.locator('.claude article').last().waitFor();
        const loaded = Number(await page.evaluate(LONGEST));
        expect({ streamed, loaded, isBusy: Math.max(streamed, loaded) > BUSY_MS }).toMatchObject({ isBusy: false });
        await message().fill('');
      },
      LONG_TEST_MS,
    );

    test('what a command or its output hides is seen before it is allowed, and does nothing after', async () => {
      const { page } = shown;
      const directory = world.daemon.project('hidden');
      writeFileSync(join(directory, 'colours.txt'), '\u001b[31mred\u001b[0m \u202Egnp.exe\u202C <b>bold</b>\n');
      const command = 'cat colours.txt # \u202Eyllaer ton\u202C\u200b';
      await shown.begin(
        directory,
        scenario(
          { tools: [{ name: 'Bash', input: { command, description: 'Look\u202Eat it' } }] },
          { text: 'Looked.' },
        ),
      );
      await button('Allow once').waitFor();
      const asked = page.locator('pre.command:visible').last();
      expect(await asked.textContent()).toBe('cat colours.txt # ⟨U+202E⟩yllaer ton⟨U+202C⟩⟨U+200B⟩');
      await shown.picture('hidden');
      await button('Allow once').click();
      await page.getByText('Looked.', { exact: true }).waitFor();
      await page.locator('details.tool summary').first().click();
      await page.getByText('red gnp.exe <b>bold</b>', { exact: true }).waitFor();
      // What the person has written is as it was written.
      const shownTexts = await page.locator('main :is(.tool, .card, header)').allTextContents();
      expect(/[\u202a-\u202e\u200b]/.exec(shownTexts.join())).toBe(null);
      expect(shownTexts.join()).not.toContain('\u001b');
    });
  }),
);
