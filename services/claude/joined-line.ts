import { type ParsedLine, parseCliLine } from './cli-lines.js';
import type { RawLine } from './line-splitter.js';

/** Disks are given out in blocks of at least this size, so a full one tears a line at a multiple of it. */
const BLOCK_BYTES = 4096;
const OPENING_BRACE = 0x7b;
const QUOTE = 0x22;
/**
 * So much is parsed in search of the whole one, and then it is given up: a line of 64 MiB has 16,384 places to look at,
 * and each would be parsed to its end.
 */
const MAX_PARSED_BYTES = 64 * 1024 * 1024;

/**
 * Half a line with a whole one right behind it, which is what a child leaves in its file when the disk was full and then
 * was not: the CLI goes on after a failed write and says nothing of it (seen with 2.1.329). Returns the whole one.
 */
export function findJoined({ offset, bytes, seams }: RawLine): ParsedLine | undefined {
  let left = MAX_PARSED_BYTES;
  for (const at of new Set([...seams, ...blockEnds(offset, bytes.length)])) {
    if (bytes[at] !== OPENING_BRACE || !beginsLine(bytes, at)) continue;
    const rest = bytes.subarray(at);
    const parsed = parseCliLine(rest);
    if (parsed.kind !== 'garbage') return parsed;
    left -= rest.length;
    if (left < 0) return undefined;
  }
  return undefined;
}

/** Every line of the CLI is an object whose first thing is a name. */
const beginsLine = (bytes: Buffer, at: number): boolean => bytes[at + 1] === QUOTE;

/** Multiples of the block size in the file, as places in the line. At most one in so many bytes is looked at. */
function blockEnds(offset: number, length: number): number[] {
  const first = BLOCK_BYTES - (offset % BLOCK_BYTES);
  return Array.from(
    { length: Math.max(0, Math.ceil((length - first) / BLOCK_BYTES)) },
    (_, index) => first + index * BLOCK_BYTES,
  );
}
