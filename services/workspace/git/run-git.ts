/** Runs git as a child that ends with what it was asked for: nothing of it asks, waits for a terminal, or lives on. */
import { spawn } from 'node:child_process';

export interface GitCall {
  args: readonly string[];
  cwd: string;
  /** The whole environment: `plainEnvironment` with what is added to it. */
  environment: Readonly<Record<string, string>>;
  /** For its standard input. */
  input?: string | Uint8Array;
  /** It is ended then. */
  timeoutMs: number;
  /** It is ended when it has written more. */
  maxBytes: number;
  signal?: AbortSignal;
  /** Gets all that it says of errors and of its progress, as it comes. */
  onWords?: (text: string) => void;
}

export interface GitResult {
  /** 0: it did what was asked. Null: a signal ended it. */
  code: number | null;
  output: Buffer;
  /** The first 4 KiB of what it says of errors. It can contain names from the repository. */
  complaint: string;
  /** Why it was ended before it was done: `output` is a beginning. */
  cut?: 'time' | 'size' | 'aborted';
}

export interface PlainEnvironment {
  /** Where programs are. */
  path: string | undefined;
  /** A folder without settings, in place of the person's. */
  home: string;
}

/** Without the settings of machine and person, questions, pagers, replaced objects and connections. */
export const plainEnvironment = ({ path, home }: PlainEnvironment): Record<string, string> => ({
  ...(path !== undefined && { PATH: path }),
  HOME: home,
  XDG_CONFIG_HOME: home,
  LC_ALL: 'C',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_NO_REPLACE_OBJECTS: '1',
  GIT_NO_LAZY_FETCH: '1',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_TERMINAL_PROMPT: '0',
  GIT_ALLOW_PROTOCOL: '',
  GIT_PAGER: 'cat',
});

const MAX_COMPLAINT = 4096;

/** Rejects with the system's error when git cannot be started: `ENOENT` where there is none. */
export function runGit({ args, cwd, environment, input = '', ...limits }: GitCall): Promise<GitResult> {
  const { timeoutMs, maxBytes, signal, onWords } = limits;
  return new Promise((resolve, reject) => {
    // A group of its own, so that the programs which it starts end with it.
    const child = spawn('git', args, { cwd, env: environment, detached: true, stdio: 'pipe' });
    const output = { pieces: [] as Buffer[], bytes: 0 };
    let complaint = '';
    let cut: GitResult['cut'];
    const end = (why: NonNullable<GitResult['cut']>) => {
      cut ??= why;
      endGroup(child.pid);
    };
    const timer = setTimeout(() => end('time'), timeoutMs);
    const onAbort = () => end('aborted');
    signal?.addEventListener('abort', onAbort, { once: true });
    const settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    child.stdout.on('data', (piece: Buffer) => {
      output.pieces.push(piece.subarray(0, maxBytes - output.bytes));
      output.bytes = Math.min(maxBytes, output.bytes + piece.length);
      if (output.bytes === maxBytes) end('size');
    });
    child.stderr.on('data', (piece: Buffer) => {
      const text = piece.toString('utf8');
      complaint += text.slice(0, MAX_COMPLAINT - complaint.length);
      onWords?.(text);
    });
    child.once('error', (error) => {
      settle();
      reject(error);
    });
    child.once('close', (code) => {
      settle();
      resolve({ code, output: Buffer.concat(output.pieces), complaint, ...(cut && { cut }) });
    });
    // It need not read what it is given: its end tells how that went.
    child.stdin.on('error', () => undefined).end(input);
    if (signal?.aborted) onAbort();
  });
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // It has just ended.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
