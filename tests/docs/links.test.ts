/** Links of the documents: each leads to a file, and to a heading where it names one. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from '@jest/globals';

const ROOT = join(import.meta.dirname, '../..');
const documentsIn = (folder: string) =>
  readdirSync(join(ROOT, folder), { recursive: folder !== '.' })
    .map(String)
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name));
const DOCUMENTS = [...documentsIn('.'), ...documentsIn('docs')];

const withoutCode = (text: string) => text.replace(/^```.*?^```/gms, '').replace(/`[^`\n]*`/g, '');

/** As GitHub makes them of headings. */
function anchorsOf(path: string): Set<string> {
  const headings = [
    ...readFileSync(path, 'utf8')
      .replace(/^```.*?^```/gms, '')
      .matchAll(/^#{1,6} (.+)$/gm),
  ];
  return new Set(
    headings.map(([, text = '']) =>
      text
        .toLowerCase()
        .replace(/\]\([^)]*\)|[[\]`*]/g, '')
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

test('there are documents', () => {
  expect(DOCUMENTS).toContain('docs/claude-cli.md');
});

test.each(DOCUMENTS)('links of %s lead somewhere', (name) => {
  const path = join(ROOT, name);
  const broken: string[] = [];
  for (const [, link = ''] of withoutCode(readFileSync(path, 'utf8')).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(link)) continue;
    const [file = '', anchor] = link.split('#');
    const target = file === '' ? path : join(dirname(path), file);
    const isThere = existsSync(target) && !relative(ROOT, target).startsWith('..');
    if (!isThere || (anchor !== undefined && !anchorsOf(target).has(anchor))) broken.push(link);
  }
  expect(broken).toEqual([]);
});
