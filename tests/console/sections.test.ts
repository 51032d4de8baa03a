/** How the console draws what is long: in sections that stay, and in blocks that are cut once. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { marked } from 'marked';
import { codeOfDiff } from '../../web/store/diff-code.js';
import { GrowingMarkdown } from '../../web/store/growing-markdown.js';
import { noteOf, shortOf } from '../../web/store/note.js';
import { patchLines } from '../../web/store/patch-lines.js';
import { isNestedAlike, nestedIn, type Section, sectionsOf } from '../../web/store/sections.js';
import { partsOf } from '../../web/store/text-parts.js';
import type { Item } from '../../web/store/transcript.js';

const text = (key: string, parent?: string): Item => ({
  kind: 'text',
  key,
  text: key,
  isComplete: true,
  isPartial: false,
  isStreamed: false,
  parent,
});
const named = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => text(`m${from + index}`));
const itemsIn = (sections: readonly Section[]) => sections.flatMap(({ items }) => items);

test('what is added before or after a conversation leaves the sections between as they are', () => {
  const size = fc.integer({ min: 0, max: 200 });
  fc.assert(
    fc.property(size, size, size, (older, known, newer) => {
      const all = named(0, older + known + newer);
      const first = all.slice(older, older + known);
      const before = sectionsOf(first, []);
      const grown = sectionsOf(all.slice(older), before);
      const whole = sectionsOf(all, grown);
      expect(itemsIn(before)).toEqual(first);
      expect(itemsIn(whole)).toEqual(all);
      // All but the last, which can go on.
      for (const section of before.slice(0, -1)) expect(whole).toContain(section);
      for (const section of grown) expect(whole).toContain(section);
    }),
  );
});

test('what a subagent says changes its tool alone', () => {
  const tool: Item = { kind: 'tool', key: 'outer', name: 'Task', input: {}, result: undefined, parent: undefined };
  const inner: Item = { ...tool, key: 'inner', parent: 'outer' };
  const other: Item = { ...tool, key: 'other' };
  const before = nestedIn([tool, inner, other]);
  expect(nestedIn([tool, inner, other, text('top')], before)).toBe(before);
  const after = nestedIn([tool, inner, other, text('deep', 'inner')], before);
  expect(isNestedAlike([tool], before, after)).toBe(false);
  expect(isNestedAlike([other], before, after)).toBe(true);
});

test('Markdown that grows is cut into the blocks of the whole text', () => {
  const parts = [
    '# A\n',
    'b\n',
    '\n',
    '- c\n',
    '- d\n\n',
    '  e\n',
    '===\n',
    '```js\n',
    'x = 1\n',
    '```\n',
    '> q\n',
    '|a|\n|-|\n',
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...parts), { maxLength: 30 }), (chosen) => {
      const growing = new GrowingMarkdown();
      let shown = '';
      for (const part of chosen) {
        shown += part;
        growing.blocksOf(shown, false);
      }
      const blocks = growing.blocksOf(shown, false);
      expect(blocks.map(({ type, raw }) => ({ type, raw }))).toEqual(
        marked.lexer(shown).map(({ type, raw }) => ({ type, raw })),
      );
      expect(growing.blocksOf(shown, true)).toHaveLength(blocks.length);
    }),
    { numRuns: 300 },
  );
});

test('what would hold the page up stays plain: deep nesting, and a long end until it is complete', () => {
  const typesOf = (text: string, isComplete: boolean) =>
    new GrowingMarkdown().blocksOf(text, isComplete).map(({ type }) => type);
  expect(typesOf(`${'> '.repeat(99)}a`, true)).toEqual(['blockquote']);
  expect(typesOf(`# Title\n\n${'> '.repeat(100)}a`, true)).toEqual(['plain']);
  expect(typesOf(`${'1. - '.repeat(5000)}a`, true)).toEqual(['plain']);
  const growing = new GrowingMarkdown();
  const end = 'word '.repeat(4001);
  growing.blocksOf('# Title\n\nOne.\n\nTwo.\n\n', false);
  const blocks = growing.blocksOf(`# Title\n\nOne.\n\nTwo.\n\n${end}`, false).filter(({ type }) => type !== 'space');
  expect(blocks.map(({ type }) => type)).toEqual(['heading', 'plain']);
  expect(typesOf(end, true)).toEqual(['paragraph']);
});

test('a long text is in parts at the ends of lines, of which growth changes the last one', () => {
  const lines = Array.from({ length: 5000 }, (_, index) => `line ${index}\n`).join('');
  const parts = partsOf(lines);
  expect(parts.join('')).toBe(lines);
  expect(parts.every((part) => part.endsWith('\n') && part.length <= 20_000)).toBe(true);
  expect(partsOf(`${lines}more`).slice(0, parts.length - 1)).toEqual(parts.slice(0, -1));
  const emoji = `a${'🚀'.repeat(15_000)}`;
  expect(partsOf(emoji).join('')).toBe(emoji);
  expect(partsOf(emoji).some((part) => /\p{Cs}/u.test(part))).toBe(false);
  expect(partsOf('')).toEqual([]);
});

test('a comment quotes each line of what it is about, as far as that is short', () => {
  expect(noteOf('- Dig\n  deep', ' Why? ')).toBe('> - Dig\n>   deep\n\nWhy?');
  expect(noteOf('x'.repeat(1000), 'Long.')).toBe(`> ${'x'.repeat(399)}…\n\nLong.`);
  expect(shortOf('## A `house`\nwith a **door**')).toBe('A house');
});

test('the lines of a diff know their places, also a removed line that looks like the name of a file', () => {
  const patch =
    '--- a/x.sql\n+++ b/x.sql\n@@ -4,2 +4 @@\n same\n--- old\n--- a/y\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n';
  const places = patchLines(patch, '').flatMap(({ text, place }) => (place === undefined ? [] : [[text, place]]));
  expect(places).toEqual([
    [' same', 'x.sql:4'],
    ['--- old', 'x.sql:5'],
    ['-gone', 'y:1'],
  ]);
});

test('each side of each hunk is code together, in the language of its file', () => {
  const patch = [
    'diff --git a/a.ts b/a.ts',
    '--- a/a.ts',
    '+++ b/a.ts',
    '@@ -1,3 +1,3 @@',
    ' one',
    '-two',
    '+2',
    '\\ No newline at end of file',
    ' three',
    '@@ -9 +9,0 @@',
    '-nine',
    '--- a/b.py',
    '+++ b/b.py',
    '@@ -0,0 +1 @@',
    '+ten',
    '--- a/c.txt',
    '+++ b/c.txt',
    '@@ -0,0 +1 @@',
    '+plain',
  ].join('\n');
  expect(codeOfDiff(patch, '')).toEqual([
    { language: 'typescript', code: 'one\n2\nthree', lines: [4, 6, 8] },
    { language: 'typescript', code: 'one\ntwo\nthree', lines: [undefined, 5, undefined] },
    { language: 'typescript', code: 'nine', lines: [10] },
    { language: 'python', code: 'ten', lines: [14] },
  ]);
});

test('lines without a hunk are of the file that is named, and a diff of more than 40,000 characters stays plain', () => {
  expect(codeOfDiff('-a\n+b', 'x.go')).toEqual([
    { language: 'go', code: 'b', lines: [1] },
    { language: 'go', code: 'a', lines: [0] },
  ]);
  expect(codeOfDiff('+a', '')).toEqual([]);
  const long = [40_000, 40_001].map((length) => '@@ -0,0 +1 @@\n+x'.padEnd(length, '\n'));
  expect(long.map((patch) => codeOfDiff(patch, 'x.go').length)).toEqual([1, 0]);
});
