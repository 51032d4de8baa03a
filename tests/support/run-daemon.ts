import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { type DaemonFolders, endChildrenOf, MAIN } from './daemon.js';

/** A daemon's process from its first moment on, whether it comes to serve or not. */
export interface DaemonRun {
  /** Lines of stdout so far. */
  readonly stdout: string[];
  readonly stderr: () => string;
  /** The URL of the ready line; undefined when the process ends before it. */
  readonly ready: Promise<string | undefined>;
  readonly exited: Promise<number | null>;
  kill(signal: NodeJS.Signals): void;
}

export interface RunOptions {
  /** All of its environment. */
  environment: Record<string, string>;
  arguments?: string[];
}

export function runDaemon({ environment, arguments: args = [] }: RunOptions): DaemonRun {
  const child: ChildProcess = spawn(process.execPath, [MAIN, ...args], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { stdout: output, stderr: errors } = child;
  if (!output || !errors) throw new Error('the daemon has no output');
  const stdout: string[] = [];
  let stderr = '';
  errors.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  const exited = once(child, 'close').then(([code]) => code as number | null);
  const ready = new Promise<string | undefined>((resolve) => {
    createInterface({ input: output }).on('line', (line) => {
      stdout.push(line);
      if (line.startsWith('{"event":"ready"')) resolve((JSON.parse(line) as { url: string }).url);
    });
    void exited.then(() => resolve(undefined));
  });
  return { stdout, stderr: () => stderr, ready, exited, kill: (signal) => child.kill(signal) };
}

/** Ends a run and all that it started, and removes its folders. */
export async function endRun(run: DaemonRun, { base, home }: DaemonFolders): Promise<void> {
  run.kill('SIGKILL');
  await run.exited;
  endChildrenOf(home);
  rmSync(base, { recursive: true, force: true, maxRetries: 10 });
}
