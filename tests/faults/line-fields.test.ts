/** Lines of the CLI in which one field is missing, null, of another kind or there twice: no text is lost, nor a line. */
import { describe, expect, test } from '@jest/globals';
import type { ContentBlock } from '../../protocol/content.js';
import { FactReader } from '../../services/claude/fact-reader.js';
import { LineSplitter } from '../../services/claude/line-splitter.js';
import type { CliFact } from '../../services/ports/claude.js';
import { countOf } from '../support/counts.js';
import { RECORDED, recordedLines } from './support/recorded-lines.js';

/** Of the variants of each line, one in so many. */
const EACH = countOf({ full: 1, fast: 7 });

const OTHERS = ['"\\u001b[31m\\ud800"', '-1', '1e999', '{}', '[]', 'true', '[{"x":[null]}]', '""'];

type Path = readonly (string | number)[];

function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const at = [...path, Array.isArray(value) ? Number(key) : key];
    return [at, ...pathsOf(inner, at)];
  });
}

/** The line as text, with something else in the place of one field; undefined: without it. */
function spoil(line: object, path: Path, other: string | undefined): string {
  const mark = '@@spoilt@@';
  const copy = structuredClone(line) as Record<string | number, unknown>;
  let holder = copy;
  for (const key of path.slice(0, -1)) holder = holder[key] as Record<string | number, unknown>;
  const last = path.at(-1) ?? '';
  if (other !== undefined) holder[last] = mark;
  else if (Array.isArray(holder)) holder.splice(Number(last), 1);
  else delete holder[last];
  return JSON.stringify(copy).replace(`"${mark}"`, other ?? '');
}

/** The line with one of its fields twice, the second time as it was. */
function repeat(line: object, key: string): string {
  const value = JSON.stringify((line as Record<string, unknown>)[key]);
  return `{${JSON.stringify(key)}:0,${JSON.stringify(line).slice(1, -1)},${JSON.stringify(key)}:${value}}`;
}

function read(lines: readonly string[]): CliFact[] {
  const reader = new FactReader({ childId: 'c', isTaken: () => false, onControlResponse: () => [] });
  const splitter = new LineSplitter(0, 1e9);
  return splitter.push(Buffer.from(`${lines.join('\n')}\n`)).flatMap((line) => reader.read(line).facts);
}

/** What a person gets to read, in order. */
const saidIn = (facts: readonly CliFact[]): string[] => facts.flatMap((fact) => wordsOf(fact) ?? []);

function wordsOf(fact: CliFact): string | undefined {
  if (fact.kind === 'block') return blockWords(fact.content);
  if (fact.kind === 'blockCut') return fact.cut.block.text.trim() === '' ? undefined : `cut ${fact.cut.block.text}`;
  if (fact.kind === 'toolResult') return `result ${fact.text}`;
  return fact.kind === 'result' ? 'end' : undefined;
}

function blockWords(block: ContentBlock): string | undefined {
  if (block.type === 'text' && 'text' in block) return `text ${block.text}`;
  return 'input' in block ? `tool ${JSON.stringify(block.input)}` : undefined;
}

/** The fields in which the words themselves are: what is put in their place takes them away. */
const isWords = (path: Path): boolean => {
  const last = path.at(-1);
  return (
    path.some((key) => ['input', 'content', 'text', 'partial_json', 'result', 'message'].includes(String(key))) &&
    !['id', 'model', 'usage', 'role', 'stop_reason', 'stop_sequence', 'is_error', 'caller', 'signature'].includes(
      String(last),
    )
  );
};

describe.each(RECORDED)('a line of Claude Code %s of which one field is spoilt', (version) => {
  const lines = recordedLines(version);
  const whole = saidIn(read(lines));

  test('stands in a turn that says something of each kind', () => {
    expect(whole).toEqual([
      'text I make a file.',
      'tool {"command":"echo made > made","description":"x"}',
      'result (Bash completed with no output)',
      'text It is there.',
      'end',
    ]);
  });

  test('costs that field: all that the turn says is said, once, and it ends', () => {
    let tried = 0;
    for (const [index, text] of lines.entries()) {
      for (const [at, variant] of variantsOf(text).entries()) {
        if ((at + index) % EACH !== 0) continue;
        tried += 1;
        const where = `${variant.path.join('.')} in ${variant.text.slice(0, 400)}`;
        expect({ where, said: saidIn(read(lines.with(index, variant.text))) }).toEqual({ where, said: whole });
      }
    }
    expect(tried).toBeGreaterThan(300);
  });
});

function variantsOf(text: string): { path: Path; text: string }[] {
  const line = JSON.parse(text) as object;
  const spoilt = pathsOf(line)
    .filter((path) => !isWords(path))
    .flatMap((path) => [undefined, 'null', ...OTHERS].map((other) => ({ path, text: spoil(line, path, other) })));
  return [...spoilt, ...Object.keys(line).map((key) => ({ path: [key], text: repeat(line, key) }))];
}
