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
