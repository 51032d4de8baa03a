import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { CompanionError } from '../protocol/error-codes.js';
import { plainLine } from '../protocol/plain-text.js';
import { InterruptedError } from './cli-errors.js';
import type { TerminalIo } from './terminal-io.js';

interface ReadTextOptions {
  io: Pick<TerminalIo, 'stdin' | 'stderr'>;
  prompt: string;
  /** The text is no longer needed. */
  signal?: AbortSignal;
  onInterrupt: () => void;
  /** Lines that the arrow keys recall, the newest first. */
  history?: string[];
}

/**
 * A text typed in a terminal, up to Enter; lines that were pasted together stay together. Undefined after Ctrl-D and
 * when it is no longer needed.
 */
export function readText({ io, prompt, signal, onInterrupt, history = [] }: ReadTextOptions) {
  return new Promise<string | undefined>((resolve) => {
    if (signal?.aborted) {
      resolve(undefined);
      return;
    }
    const { stdin: input, stderr } = io;
    const output = outputTo(stderr);
    const editor = createInterface({ input, output, terminal: true, history, historySize: 100, prompt });
    const lines: string[] = [];
    const finish = (text: string | undefined) => {
      signal?.removeEventListener('abort', onAbort);
      editor.off('close', onEnd);
      editor.close();
      resolve(text);
    };
    const onAbort = () => finish(undefined);
    const onEnd = () => finish(undefined);
    editor.on('line', (line) => {
      lines.push(line);
      // Text that was pasted with it arrives in the same turn of the event loop.
      if (lines.length === 1) setImmediate(() => finish(lines.join('\n')));
    });
    editor.on('SIGINT', onInterrupt);
    editor.on('close', onEnd);
    signal?.addEventListener('abort', onAbort);
    editor.prompt();
  });
}

function outputTo(terminal: TerminalIo['stderr']): Writable {
  const output = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      terminal.write(chunk.toString());
      done();
    },
  });
  return Object.assign(output, { columns: terminal.columns ?? 80, isTTY: true });
}

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
