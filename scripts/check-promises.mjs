/**
 * Every promise of SPEC.md (an id in bold: `**H1**`) is quoted by a test title (`H1: …`, or `H1, D3: …` for several),
 * and no title quotes an id that SPEC.md does not know. Ids in bold under the heading "Not yet built" need no test.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSync } from '@swc/core';

const ID = '[A-Z]{1,2}[0-9]{1,3}';
const BOLD_ID = new RegExp(`\\*\\*(${ID})[.:]?\\*\\*`, 'g');
const QUOTED_IDS = new RegExp(`\\b${ID}(?:(?:, ?| and )${ID})*(?=:)`, 'g');

if (existsSync('SPEC.md')) check();

function check() {
  const { promised, pending } = readPromises(readFileSync('SPEC.md', 'utf8'));
  const quoted = readQuotes();
  const faults = [
    ...[...promised]
      .filter((id) => !pending.has(id) && !quoted.has(id))
      .map((id) => `${id} is promised in SPEC.md, and no test title quotes it`),
    ...[...quoted]
      .filter(([id]) => !promised.has(id))
      .map(([id, file]) => `${id} is quoted in ${file}, and SPEC.md does not know it`),
  ];
  if (promised.size === 0) faults.push('SPEC.md holds no promise: none is written **H1**');
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) process.exitCode = 1;
}

function readPromises(spec) {
  const promised = new Set();
  const pending = new Set();
  let pendingLevel = 0;
  for (const line of spec.split('\n')) {
    const heading = /^(#+)\s+(.*)/.exec(line);
    if (heading) pendingLevel = levelAfter(heading[1].length, heading[2], pendingLevel);
    for (const [, id] of line.matchAll(BOLD_ID)) {
      promised.add(id);
      if (pendingLevel > 0) pending.add(id);
    }
  }
  return { promised, pending };
}

/** The level of the "Not yet built" heading that a line stands under, 0 for none; deeper headings stay inside it. */
function levelAfter(level, title, pendingLevel) {
  if (/not yet built/i.test(title)) return level;
  return level > pendingLevel ? pendingLevel : 0;
}

/** @returns {Map<string, string>} id to a file that quotes it */
function readQuotes() {
  const quoted = new Map();
  const names = existsSync('tests') ? readdirSync('tests', { recursive: true }) : [];
  for (const file of names.filter((name) => name.endsWith('.ts')).map((name) => join('tests', name))) {
    for (const title of titlesIn(parseSync(readFileSync(file, 'utf8'), { syntax: 'typescript' }))) {
      for (const [ids] of title.matchAll(QUOTED_IDS)) {
        for (const id of ids.split(/, ?| and /)) quoted.set(id, file);
      }
    }
  }
  return quoted;
}

/** The literal first argument of every call that also gets a function: `test(title, run)`, `test.each(…)(title, run)`. */
function* titlesIn(node) {
  if (node === null || typeof node !== 'object') return;
  if (node.type === 'CallExpression' && node.arguments.some(({ expression }) => isFunction(expression))) {
    const title = node.arguments[0].expression;
    if (title.type === 'StringLiteral') yield title.value;
    if (title.type === 'TemplateLiteral') yield title.quasis.map((part) => part.cooked).join('…');
  }
  for (const child of Object.values(node)) yield* titlesIn(child);
}

function isFunction({ type }) {
  return type === 'ArrowFunctionExpression' || type === 'FunctionExpression';
}
