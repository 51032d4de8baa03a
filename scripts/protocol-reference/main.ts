/** Fills the generated blocks of the documents and writes the generated files, or checks them. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { asyncApi } from './asyncapi.js';
import { BLOCKS } from './blocks.js';
import { namedShapes } from './named-shapes.js';
import { openApi } from './openapi.js';
import { restOperations } from './rest-operations.js';

const DOCUMENTS = ['PROTOCOL.md', 'docs/protocol/frames.md', 'docs/protocol/events.md', 'docs/protocol/rest.md'];
const MARKED = /(<!-- generated: ([\w-]+) ?(\w*) -->\n)([\s\S]*?)(<!-- end -->)/g;

/** In the repository's folder. Returns the exit code. */
export function run(args: readonly string[]): number {
  const checkOnly = args.includes('--check');
  const blocks = DOCUMENTS.flatMap((path) => renew(path, checkOnly));
  const files = Object.entries(GENERATED).flatMap(([path, make]) => rewrite(path, make(), checkOnly));
  const stale = [...blocks, ...files];
  for (const block of stale) console.error(`${block} is stale: run npm run protocol`);
  return stale.length > 0 ? 1 : 0;
}

const json = (content: object): string => `${JSON.stringify(content, null, 1)}\n`;

/** Whole files. */
const GENERATED = {
  'docs/protocol/openapi.json': () => json(openApi()),
  'docs/protocol/asyncapi.json': () => json(asyncApi()),
  'client/rest/operations.ts': restOperations,
};

/** Writes the file, or returns its name when it is stale. */
function rewrite(path: string, fresh: string, checkOnly: boolean): string[] {
  if (checkOnly) return existsSync(path) && readFileSync(path, 'utf8') === fresh ? [] : [path];
  writeFileSync(path, fresh);
  return [];
}

/** Writes the document, or returns its stale blocks. */
function renew(path: string, checkOnly: boolean): string[] {
  const text = readFileSync(path, 'utf8');
  const shapes = namedShapes((name) => hrefOf(name, path));
  const stale: string[] = [];
  const renewed = text.replace(MARKED, (whole, head: string, kind: string, name: string, _old: string, end: string) => {
    const block = BLOCKS[kind];
    if (!block) throw new Error(`${path} has a block of the unknown kind ${kind}`);
    const fresh = `${head}\n${block(shapes, name)}\n\n${end}`;
    if (fresh !== whole) stale.push(`${path}: ${[kind, name].join(' ').trim()}`);
    return fresh;
  });
  if (checkOnly) return stale;
  writeFileSync(path, renewed);
  return [];
}

/** Where the table of a shape is, seen from a document. */
function hrefOf(name: string, from: string): string {
  const path = PLACES.get(name);
  if (path === undefined) throw new Error(`No document has a table of ${name}`);
  const anchor = ANCHORS.get(name) ?? name.toLowerCase();
  return `${path === from ? '' : relative(dirname(from), path)}#${anchor}`;
}

/** Shapes whose table is a kind of its own, and its heading. */
const OF_KIND = new Map([
  ['errors', 'ErrorCode'],
  ['scopes', 'Scope'],
]);
const ANCHORS = new Map([
  ['ErrorCode', 'errors'],
  ['Scope', 'scopes'],
]);

/** The document of each named table. */
const PLACES = new Map(
  DOCUMENTS.flatMap((path) =>
    [...readFileSync(path, 'utf8').matchAll(MARKED)].map(([, , kind, name]): [string, string] => [
      OF_KIND.get(kind ?? '') ?? name ?? '',
      join(path),
    ]),
  ),
);
