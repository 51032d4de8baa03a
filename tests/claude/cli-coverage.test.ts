/**
 * Everything that the typings of the Agent SDK let the CLI ask and tell has a row in docs/claude-cli-coverage.md: how
 * the daemon handles it, or why it does not use it. A new SDK version fails here until somebody has looked.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const ROOT = join(import.meta.dirname, '../..');
const TYPINGS = readFileSync(join(ROOT, 'node_modules/@anthropic-ai/claude-agent-sdk/sdk.d.ts'), 'utf8');
const TABLE = readFileSync(join(ROOT, 'docs/claude-cli-coverage.md'), 'utf8');

/** The text of a type's declaration. */
function declarationOf(name: string): string {
  const found = new RegExp(`^(?:export )?declare type ${name} = (\\{[^]*?^\\};|[^{\\n]*;)$`, 'm').exec(TYPINGS);
  if (!found?.[1]) throw new Error(`the typings do not declare ${name}`);
  return found[1];
}

/** The members of a union, down to types of objects. */
function membersOf(name: string): string[] {
  const declared = declarationOf(name);
  if (declared.startsWith('{')) return [name];
  return declared
    .replace(';', '')
    .split('|')
    .flatMap((member) => membersOf(member.trim().replace(/^coreTypes\./, '')));
}

/** The values of a field with literal types, at the first level of an object. */
const literalsOf = (declared: string, field: string): string[] =>
  [...(new RegExp(`^ {4}${field}: ('[^;]*');`, 'm').exec(declared)?.[1] ?? '').matchAll(/'([\w-]+)'/g)].map(
    ([, literal = '']) => literal,
  );

const requests = membersOf('SDKControlRequestInner').flatMap((name) => literalsOf(declarationOf(name), 'subtype'));
const messages = membersOf('StdoutMessage').flatMap((name) => {
  const declared = declarationOf(name);
  const [type = ''] = literalsOf(declared, 'type');
  const subtypes = literalsOf(declared, 'subtype');
  return subtypes.length === 0 ? [type] : subtypes.map((subtype) => `${type}/${subtype}`);
});

interface Row {
  name: string;
  used: string;
  how: string;
}

/** The rows below a heading. */
function rowsOf(heading: string): Row[] {
  const section = TABLE.split(/^## /m).find((part) => part.startsWith(heading)) ?? '';
  return [...section.matchAll(/^\| `([^`]+)` \| (\w+) \| (.*) \|$/gm)].map(([, name = '', used = '', how = '']) => ({
    name,
    used,
    how,
  }));
}

const asked = rowsOf('Control requests');
const told = rowsOf('Messages');
const namesOf = (rows: Row[]): string[] => rows.map(({ name }) => name).sort();

test('the typings are understood', () => {
  expect(requests.length).toBeGreaterThan(35);
  expect(messages.length).toBeGreaterThan(40);
  expect(messages).toContain('control_cancel_request');
  expect(messages).toContain('system/task_updated');
});

test('every control request of the typings has a row that says how it is used, or why not', () => {
  const untyped = asked.filter(({ how }) => how.startsWith('Not in the typings')).map(({ name }) => name);
  expect(namesOf(asked)).toEqual([...new Set([...requests, ...untyped])].sort());
  for (const name of untyped) expect(requests).not.toContain(name);
});

test('every message of the typings has a row that says how it is used, or why not', () => {
  const untyped = told.filter(({ how }) => how.startsWith('Not in the typings')).map(({ name }) => name);
  expect(namesOf(told)).toEqual([...new Set([...messages, ...untyped])].sort());
  for (const name of untyped) expect(messages).not.toContain(name);
});

test.each([...asked, ...told])('the row of $name is complete', ({ used, how }) => {
  expect(['yes', 'no']).toContain(used);
  expect(how).toMatch(/^\S.{7,}[.…]$/);
});

const sources = readdirSync(join(ROOT, 'services'), { recursive: true })
  .map(String)
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(join(ROOT, 'services', name), 'utf8'))
  .join('\n');
const isNamed = (word: string): boolean => sources.includes(`'${word}'`);

test.each(asked)('the code agrees with the row of $name', ({ name, used }) => {
  expect(isNamed(name)).toBe(used === 'yes');
});

test.each(told)('the code agrees with the row of the message $name', ({ name, used, how }) => {
  const [type = '', subtype] = name.split('/');
  // The subtypes of a result are the reason of a turn's end, as they are; a notice takes any subtype.
  const isAny = type === 'result' || how.startsWith('A notice of its');
  expect(isNamed(subtype === undefined || isAny ? type : subtype)).toBe(used === 'yes');
});
