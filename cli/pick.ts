import { CompanionError } from '../protocol/error-codes.js';
import { plainLine } from '../protocol/plain-text.js';
import { InterruptedError } from './interrupted-error.js';
import { readText } from './read-text.js';
import type { TerminalIo } from './terminal-io.js';

interface PickOptions<T> {
  io: TerminalIo;
  items: readonly T[];
  /** An item in one line, for a person. */
  lineOf: (item: T) => string;
  /** The kind of item, such as `Session`. */
  what: string;
  /** The advice where there is no terminal. */
  otherwise: string;
}

const MAX_LINE = 500;

/**
 * Lets a person pick one of several items by its number. Rejects with `INVALID_REQUEST` where there is no terminal, and
 * with `InterruptedError` when the person picks none.
 */
export async function pick<T>({ io, items, lineOf, what, otherwise }: PickOptions<T>): Promise<T> {
  if (!io.stdin.isTTY) {
    const rule = 'must run in a terminal';
    throw new CompanionError('INVALID_REQUEST', `${what}: ${rule}.`, { rule, suggestion: otherwise });
  }
  const lines = items.map((item, index) => `  ${String(index + 1).padStart(2)}  ${plainLine(lineOf(item), MAX_LINE)}`);
  io.stderr.write(`${lines.join('\n')}\n`);
  const left = new AbortController();
  for (;;) {
    const text = await readText({
      io,
      prompt: `${what} (1-${items.length}): `,
      signal: left.signal,
      onInterrupt: () => left.abort(),
    });
    if (text === undefined) throw new InterruptedError('SIGINT');
    const picked = /^\s*\d+\s*$/.test(text) ? items[Number(text) - 1] : undefined;
    if (picked !== undefined) return picked;
    io.stderr.write(`Type a number from 1 to ${items.length}, or Ctrl-C to leave.\n`);
  }
}
