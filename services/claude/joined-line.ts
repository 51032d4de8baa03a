import { type ParsedLine, parseCliLine } from './cli-lines.js';
import type { RawLine } from './line-splitter.js';

/** Disks are given out in blocks of at least this size, so a full one tears a line at a multiple of it. */
const BLOCK_BYTES = 4096;
const OPENING_BRACE = 0x7b;

/**
 * Half a line with a whole one right behind it, which is what a child leaves in its file when the disk was full and then
 * was not: the CLI goes on after a failed write and says nothing of it (seen with 2.1.329). Returns the whole one.
 */
export function findJoined({ offset, bytes, seams }: RawLine): ParsedLine | undefined {
  for (const at of new Set([...seams, ...blockEnds(offset, bytes.length)])) {
    if (bytes[at] !== OPENING_BRACE) continue;
    const parsed = parseCliLine(bytes.subarray(at));
    if (parsed.kind !== 'garbage') return parsed;
  }
  return undefined;
}

/** Multiples of the block size in the file, as places in the line. At most one in so many bytes is looked at. */
function blockEnds(offset: number, length: number): number[] {
  const first = BLOCK_BYTES - (offset % BLOCK_BYTES);
  return Array.from(
    { length: Math.max(0, Math.ceil((length - first) / BLOCK_BYTES)) },
    (_, index) => first + index * BLOCK_BYTES,
  );
}
