/** The difference of two texts, line by line. */

export interface LineDiff {
  additions: number;
  deletions: number;
  /** As in a unified diff, with three lines of context. */
  hunks: string;
}

/** Edits beyond which the lines between the common beginning and end count as replaced: time grows with the square. */
const MAX_EDITS = 2000;
const CONTEXT = 3;

export function diffLines(before: string, after: string): LineDiff {
  const a = linesOf(before);
  const b = linesOf(after);
  const marks = markChanges(a, b);
  return { additions: countOf(marks.added), deletions: countOf(marks.removed), hunks: hunksOf(a, b, marks) };
}

/** With their ends: a last line without one differs from the same line with one. */
function linesOf(text: string): string[] {
  const lines = text.split('\n');
  const last = lines.pop() ?? '';
  const ended = lines.map((line) => `${line}\n`);
  return last === '' ? ended : [...ended, last];
}

/** 1 for each line that is only on this side. */
interface Marks {
  removed: Uint8Array;
  added: Uint8Array;
}

const countOf = (marks: Uint8Array): number => marks.reduce((sum, mark) => sum + mark, 0);

function markChanges(a: readonly string[], b: readonly string[]): Marks {
  const shortest = Math.min(a.length, b.length);
  let head = 0;
  while (head < shortest && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < shortest - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;
  const marks = { removed: new Uint8Array(a.length), added: new Uint8Array(b.length) };
  marks.removed.fill(1, head, a.length - tail);
  marks.added.fill(1, head, b.length - tail);
  const left = sharedLines(a, b, { head, tail });
  const right = sharedLines(b, a, { head, tail });
  for (const [x, y] of commonLines(left, right)) {
    marks.removed[x] = 0;
    marks.added[y] = 0;
  }
  return marks;
}

interface Ends {
  head: number;
  tail: number;
}

interface NumberedLine {
  at: number;
  line: string;
}

/** Those between the ends that the other side has too: the others need no search. */
function sharedLines(own: readonly string[], other: readonly string[], { head, tail }: Ends): NumberedLine[] {
  const known = new Set(other.slice(head, other.length - tail));
  const shared: NumberedLine[] = [];
  for (let at = head; at < own.length - tail; at += 1) {
    const line = own[at] ?? '';
    if (known.has(line)) shared.push({ at, line });
  }
  return shared;
}

/** The numbers of the lines that stay, by the algorithm of Myers. None when there are too many edits. */
function commonLines(a: readonly NumberedLine[], b: readonly NumberedLine[]): [number, number][] {
  const trace = searchEdits(a, b);
  if (!trace) return [];
  const common: [number, number][] = [];
  let [x, y] = [a.length, b.length];
  for (let edits = trace.length - 1; edits >= 0; edits -= 1) {
    const [fromX, fromY] = placeBefore(trace, { edits, diagonal: x - y });
    for (; x > fromX && y > fromY; x -= 1, y -= 1) common.push([a[x - 1]?.at ?? 0, b[y - 1]?.at ?? 0]);
    [x, y] = [fromX, fromY];
  }
  return common;
}

/** Where the path to the end of a diagonal was before its last edit. */
function placeBefore(trace: readonly Int32Array[], { edits, diagonal }: Omit<Move, 'isDown'>): [number, number] {
  const furthest = trace[edits];
  if (!furthest || edits === 0) return [0, 0];
  const from = goesDown(furthest, diagonal, edits) ? diagonal + 1 : diagonal - 1;
  const x = furthest[from + edits] ?? 0;
  return [x, x - from];
}

/** Whether the path to this diagonal comes from the one above it, by an added line. `furthest`: before these edits. */
function goesDown(furthest: Int32Array, diagonal: number, edits: number): boolean {
  if (diagonal === -edits) return true;
  if (diagonal === edits) return false;
  return (furthest[diagonal - 1 + edits] ?? 0) < (furthest[diagonal + 1 + edits] ?? 0);
}

/** For each number of edits how far one fewer reach on each diagonal, which is at its number plus that of the edits. */
function searchEdits(a: readonly NumberedLine[], b: readonly NumberedLine[]): Int32Array[] | undefined {
  const trace: Int32Array[] = [];
  let before: Int32Array = new Int32Array(3);
  for (let edits = 0; edits <= Math.min(a.length + b.length, MAX_EDITS); edits += 1) {
    trace.push(before);
    const furthest = new Int32Array(2 * edits + 5);
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      const isDown = goesDown(before, diagonal, edits);
      let x = startOf(before, { diagonal, edits, isDown });
      let y = x - diagonal;
      while (x < a.length && y < b.length && a[x]?.line === b[y]?.line) {
        x += 1;
        y += 1;
      }
      furthest[diagonal + edits + 1] = x;
      if (x >= a.length && y >= b.length) return trace;
    }
    before = furthest;
  }
  return undefined;
}

interface Move {
  diagonal: number;
  edits: number;
  isDown: boolean;
}

function startOf(before: Int32Array, { diagonal, edits, isDown }: Move): number {
  if (edits === 0) return 0;
  return isDown ? (before[diagonal + 1 + edits] ?? 0) : (before[diagonal - 1 + edits] ?? 0) + 1;
}

/** Lines `[from, to)` of both sides that differ as a whole. */
interface Block {
  a: [from: number, to: number];
  b: [from: number, to: number];
}

function blocksOf({ removed, added }: Marks): Block[] {
  const blocks: Block[] = [];
  for (let x = 0, y = 0; x < removed.length || y < added.length; x += 1, y += 1) {
    const [fromX, fromY] = [x, y];
    while (removed[x] === 1) x += 1;
    while (added[y] === 1) y += 1;
    if (x > fromX || y > fromY) blocks.push({ a: [fromX, x], b: [fromY, y] });
  }
  return blocks;
}

function hunksOf(a: readonly string[], b: readonly string[], marks: Marks): string {
  const hunks: Block[][] = [];
  for (const block of blocksOf(marks)) {
    const last = hunks.at(-1);
    const end = last?.at(-1)?.a[1] ?? Number.NEGATIVE_INFINITY;
    if (last && block.a[0] - end <= 2 * CONTEXT) last.push(block);
    else hunks.push([block]);
  }
  return hunks.map((blocks) => hunkText(a, b, blocks)).join('');
}

function hunkText(a: readonly string[], b: readonly string[], blocks: readonly Block[]): string {
  const [first, last] = [blocks[0], blocks.at(-1)];
  if (!first || !last) return '';
  const lead = Math.min(CONTEXT, first.a[0]);
  const trail = Math.min(CONTEXT, a.length - last.a[1]);
  const [fromA, toA] = [first.a[0] - lead, last.a[1] + trail];
  const [fromB, toB] = [first.b[0] - lead, last.b[1] + trail];
  const lines = [`@@ -${rangeText(fromA, toA)} +${rangeText(fromB, toB)} @@\n`];
  let at = fromA;
  for (const block of blocks) {
    for (const line of a.slice(at, block.a[0])) lines.push(lineText(' ', line));
    for (const line of a.slice(...block.a)) lines.push(lineText('-', line));
    for (const line of b.slice(...block.b)) lines.push(lineText('+', line));
    at = block.a[1];
  }
  for (const line of a.slice(at, toA)) lines.push(lineText(' ', line));
  return lines.join('');
}

/** As git writes it: the number of the first line, or of the one before an empty range. */
function rangeText(from: number, to: number): string {
  const length = to - from;
  if (length === 1) return String(to);
  return `${length === 0 ? from : from + 1},${length}`;
}

const lineText = (sign: string, line: string): string =>
  line.endsWith('\n') ? `${sign}${line}` : `${sign}${line}\n\\ No newline at end of file\n`;
