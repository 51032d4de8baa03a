/** A process of the bench's own that answers requests over Node's channel: a server to compare with, or the clients. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { within } from './clock.js';
import { keepOn } from './cores.js';

export interface Worker {
  readonly pid: number;
  /** Rejects when the process ends or answers with an error. */
  ask<Answer>(request: { type: string; [field: string]: unknown }): Promise<Answer>;
  close(): Promise<void>;
}

export interface WorkerOptions {
  /** A file beside this one. */
  file: string;
  side: 'server' | 'load';
  environment?: Record<string, string>;
}

interface Answer {
  id: number;
  value?: unknown;
  error?: string;
}

/** Longer than any flood takes, even on a busy machine. */
const ANSWER_MS = 300_000;

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export function startWorker({ file, side, environment = {} }: WorkerOptions): Worker {
  const path = fileURLToPath(new URL(`./${file}`, import.meta.url));
  const child = spawn(process.execPath, [path], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced',
  });
  running.add(child);
  const pid = child.pid ?? 0;
  keepOn(pid, side);
  const waiting = new Map<number, (answer: Answer) => void>();
  const ended = new Promise<void>((resolve) => {
    child.once('exit', (code, signal) => {
      running.delete(child);
      for (const [id, settle] of waiting) settle({ id, error: `${file} ended with ${code ?? signal}` });
      resolve();
    });
  });
  child.on('message', (answer: Answer) => {
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  let requests = 0;
  return {
    pid,
    ask: <T>(request: { type: string }) => {
      const answer = new Promise<T>((resolve, reject) => {
        requests += 1;
        waiting.set(requests, ({ value, error }) => {
          if (error === undefined) resolve(value as T);
          else reject(new Error(error));
        });
        child.send({ ...request, id: requests });
      });
      return within(answer, ANSWER_MS, `${request.type} of ${file}`);
    },
    close: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
