import type { TerminalInput } from './terminal-io.js';

interface ReadKeyOptions {
  stdin: TerminalInput;
  /** The accepted keys; others are ignored. */
  keys: readonly string[];
  /** The question is settled: the key is no longer needed. */
  signal: AbortSignal;
  onInterrupt: () => void;
  /** Keys typed before the question could be read do not answer it; in milliseconds. */
  deafMs?: number;
}

const DEAF_MS = 250;
const CTRL_C = '\u0003';

/** One key, in lower case, without waiting for Enter; undefined when it is no longer needed. */
export function readKey({ stdin, keys, signal, onInterrupt, deafMs = DEAF_MS }: ReadKeyOptions) {
  return new Promise<string | undefined>((resolve) => {
    const heardFrom = performance.now() + deafMs;
    const onData = (chunk: Buffer) => {
      const key = chunk.toString().toLowerCase();
      if (key === CTRL_C) onInterrupt();
      // Pasted text arrives as one chunk, and is not a key.
      else if (performance.now() >= heardFrom && keys.includes(key)) finish(key);
    };
    const onAbort = () => finish(undefined);
    const finish = (key: string | undefined) => {
      stdin.off('data', onData);
      signal.removeEventListener('abort', onAbort);
      stdin.setRawMode?.(false);
      stdin.pause();
      resolve(key);
    };
    if (signal.aborted) {
      resolve(undefined);
      return;
    }
    signal.addEventListener('abort', onAbort);
    stdin.setRawMode?.(true);
    stdin.on('data', onData);
    stdin.resume();
  });
}
