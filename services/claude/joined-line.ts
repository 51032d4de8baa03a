import { type ParsedLine, parseCliLine } from './cli-lines.js';
import type { RawLine } from './line-splitter.js';

/** Disks allocate blocks of at least this size, so a full one tears a line at a multiple of it. */
const BLOCK_BYTES = 4096;
const OPENING_BRACE = 0x7b;
const QUOTE = 0x22;
/**
 * The limit for parsing in search of the complete line: a line of 64 MiB has 16,384 candidate positions, and each would
 * be parsed to the end.
 */
const MAX_PARSED_BYTES = 64 * 1024 * 1024;

/**
 * Handles a partial line directly followed by a complete one, which a child leaves in its file after the disk was
 * temporarily full: the CLI continues after a failed write without reporting it (seen with 2.1.329). Returns the
 * complete line.
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

/** Every line of the CLI is an object that begins with a name. */
const beginsLine = (bytes: Buffer, at: number): boolean => bytes[at + 1] === QUOTE;

/** Multiples of the block size in the file, as positions in the line: at most one per block is checked. */
function blockEnds(offset: number, length: number): number[] {
  const first = BLOCK_BYTES - (offset % BLOCK_BYTES);
  return Array.from(
    { length: Math.max(0, Math.ceil((length - first) / BLOCK_BYTES)) },
    (_, index) => first + index * BLOCK_BYTES,
  );
}
