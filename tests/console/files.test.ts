/** The files of a session in the console, in a real browser against the real daemon and the real CLI. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { crumbsOf, fileLines, filesHref, inOrder, isFolder, lineOf, patternOf } from '../../web/store/files.js';
import { scenario } from '../support/scripted-api.js';
import { useWorld } from '../support/world.js';
import { inChromium, useConsolePage } from './support/console-page.js';

const MIB = 1024 * 1024;
const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

test('a path leads to its folders, and an address to any path', () => {
  expect(crumbsOf('src/deep/a.ts')).toEqual([
    { name: 'src', path: 'src/' },
    { name: 'deep', path: 'src/deep/' },
    { name: 'a.ts', path: 'src/deep/a.ts' },
  ]);
  expect(crumbsOf('src/').map(({ path }) => path)).toEqual(['src/']);
  expect(crumbsOf('')).toEqual([]);
  expect(['', 'src/', 'src'].map(isFolder)).toEqual([true, true, false]);
  const addresses = [filesHref('s1'), filesHref('s1', 'a b/100%?.md'), filesHref('s1', 'a', 12)];
  expect(addresses).toEqual(['/files/s1', '/files/s1/a%20b%2F100%25%3F.md', '/files/s1/a/L12']);
  expect(['L12', 'L0x1', '12', '', undefined].map(lineOf)).toEqual([12, undefined, undefined, undefined, undefined]);
});

test('folders come first, each by name', () => {
  const entries = ['b.ts', 'a.ts'].map((name) => ({ name, path: name, type: 'file' as const }));
  const folder = { name: 'z', path: 'z', type: 'directory' as const };
  expect(inOrder([...entries, folder]).map(({ name }) => name)).toEqual(['z', 'a.ts', 'b.ts']);
});

test('a file has the lines that an editor numbers', () => {
  expect(fileLines('a\r\n\nb\n', 'x.txt')).toEqual([
    { text: 'a', place: 'x.txt:1' },
    { text: '', place: 'x.txt:2' },
    { text: 'b', place: 'x.txt:3' },
  ]);
  expect(fileLines('a', 'x.txt').length).toBe(1);
  expect(fileLines('x'.repeat(10_001), 'x.txt')[0]?.text).toBe(`${'x'.repeat(10_000)}…`);
});

test('what is looked for by a name means itself', () => {
  expect(['shop', ' a[1].ts ', 'src/shop', ' '].map(patternOf)).toEqual([
    '*shop*',
    '*a?1?.ts*',
    '**/*src/shop*',
    undefined,
  ]);
});

inChromium('the files of a session in the console', (path) =>
  describe('the files of a session in the console', () => {
    const world = useWorld();
    const shown = useConsolePage(world, path);
    const link = (name: string) => shown.page.getByRole('link', { name, exact: true });
    const field = () => shown.page.getByRole('textbox', { name: 'Message', exact: true });
    let id = '';
    let folder = '';

    test('folders are browsed, a file opens in its colours, and a comment on its line is in the message', async () => {
      const { page } = shown;
      folder = world.daemon.project('shop');
      mkdirSync(join(folder, 'src/100% sure'), { recursive: true });
      const code = '// How much?\nconst price = 12;\n\nexport { price };\n';
      writeFileSync(join(folder, 'src/100% sure/price.ts'), code);
      id = await shown.begin(folder, scenario({ text: 'Ready.' }));
      await page.getByText('Ready.', { exact: true }).waitFor();
      await shown.write('Look:');
      await link('Files').click();
      await page.getByRole('heading', { name: 'Files', level: 1 }).waitFor();
      await link('src/').click();
      await link('100% sure/').click();
      await page.getByRole('link', { name: /^price\.ts/ }).click();
      await page.locator('.file .hljs-keyword', { hasText: 'const' }).waitFor();
      await page.reload();
      await page.locator('.file .hljs-comment', { hasText: '// How much?' }).waitFor();
      const place = 'src/100% sure/price.ts:2';
      await page.getByRole('button', { name: 'Comment on a line', exact: true }).click();
      await page.getByRole('button', { name: `Comment on ${place}: const price = 12;` }).click();
      await page.getByLabel(`Your comment on “${place}”`).fill('Too much.');
      // Another line leaves what is written on the one before, and so does reading on.
      await page.getByRole('button', { name: /price\.ts:4: export/ }).click();
      await page.getByLabel(/price\.ts:4”/).waitFor();
      for (const times of [1, 2]) {
        await page.getByRole('button', { name: 'Comment on a line', exact: true }).click();
        await page
          .getByRole('button', { name: /price\.ts:2: const/ })
          .waitFor({ state: times === 1 ? 'detached' : 'visible' });
      }
      await page.getByRole('button', { name: /price\.ts:2: const/ }).click();
      expect(await page.getByLabel(`Your comment on “${place}”`).inputValue()).toBe('Too much.');
      await shown.picture('file');
      await page.getByRole('button', { name: 'Add to the message' }).click();
      await page.getByText('Added to the message. It is not sent yet.').waitFor();
      await link('Back to the session').last().click();
      await field().waitFor();
      expect(await field().inputValue()).toBe(`Look:\n\n${place}\n> const price = 12;\n\nToo much.`);
      await field().fill('');
    });

    test('a comment that is not added yet is there when its file is opened again, also in another page', async () => {
      const { page } = shown;
      const place = 'src/100% sure/price.ts:4';
      await page.goto(new URL(`/#${filesHref(id, 'src/100% sure/price.ts')}`, page.url()).href);
      await page.getByRole('button', { name: 'Comment on a line', exact: true }).click();
      await page.getByRole('button', { name: `Comment on ${place}: export { price };` }).click();
      await page.getByLabel(`Your comment on “${place}”`).fill('By name?');
      await page.getByText('1 comment is not in the message yet.').waitFor();
      await link('shop').first().click();
      await link('src/').waitFor();
      await page.goBack();
      await page.getByText('1 comment is not in the message yet.').waitFor();
      await page.reload();
      await page.getByText('1 comment is not in the message yet.').waitFor();
      await page.getByRole('button', { name: `Comment on ${place}: export { price };` }).click();
      expect(await page.getByLabel(`Your comment on “${place}”`).inputValue()).toBe('By name?');
      await page.getByRole('button', { name: 'Add to the message' }).click();
      await page.getByText('Added to the message. It is not sent yet.').waitFor();
      expect(await page.getByText('1 comment is not in the message yet.').count()).toBe(0);
      await page.reload();
      // Nothing is noted there any more.
      await page.locator('pre.file').waitFor();
      await link('Back to the session').last().click();
      await field().waitFor();
      expect(await field().inputValue()).toBe(`${place}\n> export { price };\n\nBy name?`);
      await field().fill('');
    });

    test('a line has an address, which is copied there and opens the file at it; what is hidden in a file is seen', async () => {
      const { page } = shown;
      await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
      const lines = Array.from({ length: 2500 }, (_, index) => `line ${index + 1}`);
      lines[2399] = 'if (isAdmin) { /*\u202E } \u2066 */';
      writeFileSync(join(folder, 'long.txt'), lines.join('\n'));
      await page.goto(new URL(`/#${filesHref(id, 'long.txt', 2400)}`, page.url()).href);
      const line = page.locator('[data-line="2400"]');
      await line.and(page.locator(':focus')).waitFor();
      expect(await line.textContent()).toBe('if (isAdmin) { /*⟨U+202E⟩ } ⟨U+2066⟩ */\n');
      const isSeen = () =>
        line.evaluate((one) => {
          const { top, bottom } = one.getBoundingClientRect();
          return top >= 0 && bottom <= one.ownerDocument.documentElement.clientHeight;
        });
      expect(await isSeen()).toBe(true);
      await page.getByRole('button', { name: 'Comment on a line', exact: true }).click();
      await page.getByRole('button', { name: /long\.txt:7:/ }).click();
      await page.getByRole('button', { name: 'Copy link to this line' }).click();
      await page.getByText('Copied.', { exact: true }).waitFor();
      await shown.picture('line');
      const address = (await page.evaluate('navigator.clipboard.readText()')) as string;
      expect(new URL(address).hash).toBe(`#${filesHref(id, 'long.txt', 7)}`);
      await page.goto('about:blank');
      await page.goto(address);
      await page.locator('[data-line="7"]').and(page.locator(':focus')).waitFor();
      await page.goto(new URL(`/#${filesHref(id, 'long.txt', 9000)}`, page.url()).href);
      await page.getByRole('alert').getByText('The file has no line 9000. It has 2500 lines.').waitFor();
      rmSync(join(folder, 'long.txt'));
    });

    test('what cannot be shown has the words of the daemon', async () => {
      const { page } = shown;
      writeFileSync(join(folder, 'price.bin'), Buffer.from([0xff, 0xfe, 0x00]));
      writeFileSync(join(folder, 'sign.png'), PIXEL);
      writeFileSync(join(folder, 'log.txt'), '');
      truncateSync(join(folder, 'log.txt'), 11 * MIB);
      writeFileSync(join(folder, '.env'), 'TOKEN=1\n');
      const open = (name: string) => page.goto(new URL(`/#${filesHref(id, name)}`, page.url()).href);
      await open('price.bin');
      await page.getByText('It is no text, and cannot be shown: application/octet-stream').waitFor();
      await open('sign.png');
      await page.getByRole('img', { name: 'sign.png' }).waitFor();
      await open('log.txt');
      const refused = page.getByRole('alert');
      await refused.getByText(/must be at most 10485760 bytes/).waitFor();
      await open('.env');
      await refused.getByText(/\.env|closed/).waitFor();
      await open('gone.txt');
      await refused.getByText(/must exist/).waitFor();
      expect(shown.faults.splice(0).map((fault) => /status of (\d+)/.exec(fault)?.[1])).toEqual(['413', '403', '404']);
    });

    test('a file is found by its name, and what has changed is told', async () => {
      const { page } = shown;
      execFileSync('git', ['init', '-q', folder]);
      await page.goto(new URL(`/#${filesHref(id)}`, page.url()).href);
      await page.getByRole('searchbox', { name: 'Find a file by its name' }).fill('price');
      await page.getByRole('button', { name: 'Find', exact: true }).click();
      const found = page.getByRole('region', { name: 'Found files' }).getByRole('link');
      await found.filter({ hasText: 'src/100% sure/price.ts' }).waitFor();
      expect(await found.count()).toBe(2);
      await page.getByRole('searchbox', { name: 'Find a file by its name' }).fill('');
      await link('src/').waitFor();
      await page.getByText('What has changed', { exact: true }).click();
      const changed = page.locator('.diff .added', { hasText: 'const price = 12;' });
      await changed.locator('.hljs-keyword', { hasText: 'const' }).waitFor();
      expect(await changed.textContent()).toBe('+const price = 12;\n');
      await page.getByRole('button', { name: 'Comment on a line', exact: true }).click();
      await page.locator('.diff button.added .hljs-keyword', { hasText: 'const' }).waitFor();
      await shown.picture('files');
    });

    test('the files of a project are reached, also without a session', async () => {
      const { page } = shown;
      const other = world.daemon.project('barn');
      writeFileSync(join(other, 'hay.txt'), 'dry\n');
      await page.goto(new URL('/#/projects', page.url()).href);
      await page.getByRole('button', { name: 'Files of barn', exact: true }).click();
      await page.getByRole('link', { name: /^hay\.txt/ }).waitFor();
      expect(page.url()).toContain('/#/files/');
      await page.goBack();
      await page.getByRole('button', { name: 'Files of shop', exact: true }).click();
      await link('src/').waitFor();
      await link('Back to the session').click();
      await field().waitFor();
      await page.getByRole('heading', { level: 1 }).getByText('shop').waitFor();
      await page.keyboard.press('Control+k');
      await page.getByRole('combobox', { name: 'Go to or do' }).fill('files shop');
      await page.getByRole('option', { name: 'Files shop', exact: true }).waitFor();
      await page.keyboard.press('Enter');
      await link('src/').waitFor();
      expect(page.url()).toContain(`/#/files/${id}`);
    });
  }),
);
