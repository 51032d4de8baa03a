import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
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
