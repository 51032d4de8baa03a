import { plainLine, plainText } from '../protocol/plain-text.js';

const MAX_LINES = 10;
/** No more of an output is looked at, from its end. */
const MAX_LOOKED = 64 * 1024;

/** The last lines of what a tool has said, set in, each as wide as the screen at most. */
export function toolOutput(output: string, { width, indent }: { width: number; indent: string }): string[] {
  const end = plainText(output.slice(-MAX_LOOKED)).replace(/\s+$/u, '');
  if (end === '') return [];
  const lines = end.split('\n');
  const shown = lines.slice(-MAX_LINES).map((line) => indent + cut(line, width - indent.length - 1));
  const before = lines.length - shown.length;
  const isCut = before > 0 || output.length > MAX_LOOKED;
  const more = output.length > MAX_LOOKED ? 'more lines' : before === 1 ? '1 more line' : `${before} more lines`;
  return isCut ? [`${indent}… ${more} above`, ...shown] : shown;
}

/** A line keeps the space that it begins with. */
function cut(line: string, width: number): string {
  const space = /^\s*/u.exec(line)?.[0].replaceAll('\t', '  ') ?? '';
  return space.slice(0, width) + plainLine(line, Math.max(1, width - space.length));
}
