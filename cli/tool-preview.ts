import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import * as z from 'zod';
import { cutText } from '../protocol/plain-text.js';
import { tellingField } from './tool-line.js';

/** Limit for the preview on a screen, in characters. */
const MAX_SHOWN = 8_000;

const editSchema = z.object({ old_string: z.string(), new_string: z.string(), replace_all: z.boolean().optional() });
const previewSchemas = {
  Edit: editSchema.extend({ file_path: z.string() }),
  MultiEdit: z.object({ file_path: z.string(), edits: z.array(editSchema).min(1) }),
  Write: z.object({ file_path: z.string(), content: z.string() }),
  NotebookEdit: z.object({ notebook_path: z.string(), new_source: z.string() }),
};

interface ToolCall {
  toolName: string;
  toolInput: unknown;
}

/** The existing file; without `text` where it cannot be shown, and undefined where there is none. */
export type ReadFile = (path: string) => { text?: string } | undefined;

/** Everything that is about to be allowed: changes of files line by line, commands verbatim, the rest as JSON. */
export const toolPreview = (call: ToolCall, readFile: ReadFile): string =>
  bounded(changeOf(call, readFile) ?? plainInput(call.toolInput));

function changeOf({ toolName, toolInput }: ToolCall, readFile: ReadFile): string | undefined {
  const edit = previewSchemas.Edit.safeParse(toolInput);
  if (toolName === 'Edit' && edit.success) return editText(edit.data.file_path, [edit.data]);
  const multi = previewSchemas.MultiEdit.safeParse(toolInput);
  if (toolName === 'MultiEdit' && multi.success) return editText(multi.data.file_path, multi.data.edits);
  const write = previewSchemas.Write.safeParse(toolInput);
  if (toolName === 'Write' && write.success) return writeText(write.data, readFile);
  const notebook = previewSchemas.NotebookEdit.safeParse(toolInput);
  if (toolName !== 'NotebookEdit' || !notebook.success) return undefined;
  return [notebook.data.notebook_path, ...lineDiff('', notebook.data.new_source)].join('\n');
}

const editText = (path: string, edits: readonly z.infer<typeof editSchema>[]): string =>
  [
    path,
    ...edits.flatMap(({ old_string: before, new_string: after, replace_all: all }) => [
      ...(all ? ['everywhere in the file:'] : []),
      ...lineDiff(before, after),
    ]),
  ].join('\n');

function writeText({ file_path: path, content }: { file_path: string; content: string }, readFile: ReadFile): string {
  const present = readFile(path);
  if (!present) return [`${path} (new file)`, ...lineDiff('', content)].join('\n');
  const changes = lineDiff(present.text ?? '', content);
  return [`${path} (replaces the file)`, ...(changes.length > 0 ? changes : ['  no change'])].join('\n');
}

/** A command verbatim, with the other fields below it; the text of the only field; otherwise JSON. */
function plainInput(input: unknown): string {
  const fields = typeof input === 'object' && input !== null ? Object.entries(input) : [];
  const telling = tellingField(input);
  if (telling !== '' && fields.length === 1) return telling;
  const command = fields.find(([name]) => name === 'command')?.[1];
  if (typeof command !== 'string') return JSON.stringify(input, null, 2) ?? '';
  // The question includes the description of the command.
  const others = fields.filter(([name]) => name !== 'command' && name !== 'description');
  return [command, ...others.map(([name, value]) => `${name}: ${JSON.stringify(value)}`)].join('\n');
}

function bounded(text: string): string {
  if (text.length <= MAX_SHOWN) return text;
  return `${cutText(text, MAX_SHOWN)}\n… ${text.length - MAX_SHOWN} more characters are not shown.`;
}

/** Longer texts are compared only by their first and last lines: the comparison table would be too large. */
const MAX_COMPARED = 400;
const CONTEXT = 3;

type Line = { kind: ' ' | '-' | '+'; text: string };

/**
 * The changes between two texts, line by line: `-` and `+` before the lines, three lines of context around each change.
 */
export function lineDiff(before: string, after: string): string[] {
  const lines = compare(linesOf(before), linesOf(after));
  const near = lines.map((_, at) => lines.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).some(isChange));
  return lines.flatMap((line, at) => {
    if (near[at]) return [`${line.kind} ${line.text}`];
    return near[at - 1] ? ['  …'] : [];
  });
}

const isChange = ({ kind }: Line): boolean => kind !== ' ';

/** A final newline starts no new line. */
function linesOf(text: string): string[] {
  if (text === '') return [];
  return text.replace(/\r?\n$/, '').split(/\r?\n/);
}

const marked = (kind: Line['kind'], lines: readonly string[]): Line[] => lines.map((text) => ({ kind, text }));

function compare(before: readonly string[], after: readonly string[]): Line[] {
  const least = Math.min(before.length, after.length);
  let head = 0;
  while (head < least && before[head] === after[head]) head += 1;
  let tail = 0;
  while (tail < least - head && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  const middle = compareMiddle(before.slice(head, before.length - tail), after.slice(head, after.length - tail));
  return [...marked(' ', before.slice(0, head)), ...middle, ...marked(' ', before.slice(before.length - tail))];
}

function compareMiddle(before: readonly string[], after: readonly string[]): Line[] {
  if (Math.max(before.length, after.length) > MAX_COMPARED) return [...marked('-', before), ...marked('+', after)];
  const common = commonLengths(before, after);
  const lines: Line[] = [];
  let i = 0;
  let j = 0;
  while (i < before.length && j < after.length) {
    const drops = (common[i + 1]?.[j] ?? 0) >= (common[i]?.[j + 1] ?? 0);
    const line = nextLine({ old: before[i] ?? '', fresh: after[j] ?? '', drops });
    lines.push(line);
    if (line.kind !== '+') i += 1;
    if (line.kind !== '-') j += 1;
  }
  return [...lines, ...marked('-', before.slice(i)), ...marked('+', after.slice(j))];
}

function nextLine({ old, fresh, drops }: { old: string; fresh: string; drops: boolean }): Line {
  if (old === fresh) return { kind: ' ', text: old };
  return drops ? { kind: '-', text: old } : { kind: '+', text: fresh };
}

/** The length of the longest common subsequence of both remaining texts, for each pair of positions. */
function commonLengths(before: readonly string[], after: readonly string[]): number[][] {
  const rows: number[][] = [Array.from({ length: after.length + 1 }, () => 0)];
  for (const line of before.toReversed()) rows.unshift(rowOf(line, after, rows[0] ?? []));
  return rows;
}

function rowOf(line: string, after: readonly string[], below: readonly number[]): number[] {
  const row = Array.from({ length: after.length + 1 }, () => 0);
  for (let j = after.length - 1; j >= 0; j -= 1) {
    const isSame = after[j] === line;
    row[j] = isSame ? (below[j + 1] ?? 0) + 1 : Math.max(below[j] ?? 0, row[j + 1] ?? 0);
  }
  return row;
}

/** Larger files are not compared with their replacement. */
const MAX_BYTES = 256 * 1024;

/** Reads files by paths relative to a directory. Never throws, and opens only regular files. */
export const readPresentFile =
  (directory: string): ReadFile =>
  (path) => {
    try {
      const found = resolve(directory, path);
      const stats = statSync(found, { throwIfNoEntry: false });
      if (!stats) return undefined;
      if (!stats.isFile() || stats.size > MAX_BYTES) return {};
      return { text: readFileSync(found, 'utf8') };
    } catch {
      // The file cannot be read: only its replacement can be reported.
      return {};
    }
  };
