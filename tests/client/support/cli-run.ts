import { PassThrough } from 'node:stream';
import { runCli } from '../../../cli/run-cli.js';
import type { LeaveSignal } from '../../../cli/terminal-io.js';

export interface CliRun {
  stdout: () => string;
  stderr: () => string;
  exitCode: Promise<number>;
  /** The person presses a key. */
  press(key: string): void;
  /** The person presses Ctrl-C, where no key is being read. */
  interrupt(): void;
  signal(signal: LeaveSignal): void;
  isRaw: () => boolean;
}

export interface TerminalOptions {
  isTTY?: boolean;
  /** What comes on stdin, where it is no terminal. */
  input?: string | Buffer;
  /** Nothing comes on stdin, and it does not end. */
  silent?: boolean;
  columns?: number;
}

interface RunOptions extends TerminalOptions {
  args: string[];
  home: string;
}

/** A command in this process, in a terminal that is a test’s. */
export function runInTerminal({
  args,
  isTTY = false,
  input = '',
  silent = false,
  columns = 80,
  home,
}: RunOptions): CliRun {
  const written = { stdout: '', stderr: '' };
  const output = (name: keyof typeof written) => ({
    columns,
    isTTY,
    write: (text: string) => {
      written[name] += text;
    },
  });
  let raw = false;
  const stdin = Object.assign(new PassThrough(), {
    isTTY,
    setRawMode: (value: boolean) => {
      raw = value;
    },
  });
  if (!isTTY && !silent) stdin.end(input);
  const listeners = new Set<(signal: LeaveSignal) => void>();
  const onSignal = (listener: (signal: LeaveSignal) => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  const signal = (name: LeaveSignal) => {
    for (const listener of listeners) listener(name);
  };
  const io = { stdin, stdout: output('stdout'), stderr: output('stderr'), onSignal };
  return {
    stdout: () => written.stdout,
    stderr: () => written.stderr,
    exitCode: runCli({ args, io, home }),
    press: (key) => {
      stdin.write(key);
    },
    interrupt: () => signal('SIGINT'),
    signal,
    isRaw: () => raw,
  };
}
