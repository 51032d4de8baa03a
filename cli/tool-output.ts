import { plainLine, plainText } from '../protocol/plain-text.js';

const MAX_LINES = 10;
/** Only this much of the output's end is read. */
const MAX_LOOKED = 64 * 1024;

/** The last lines of a tool's output, indented, each at most as wide as the screen. */
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

/** Leading space is kept. */
function cut(line: string, width: number): string {
  const space = /^\s*/u.exec(line)?.[0].replaceAll('\t', '  ') ?? '';
  return space.slice(0, width) + plainLine(line, Math.max(1, width - space.length));
}
