import { setTimeout as delay } from 'node:timers/promises';

const FIRST_POLL_MS = 10;
const MAX_POLL_MS = 100;
const WAIT_MS = 30_000;

/**
 * Resolves once the condition holds; for files, processes and whatever else sends no notice of a change. It looks less
 * often the longer it waits, since some conditions look at every process of the machine.
 */
export async function waitUntil(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + WAIT_MS;
  for (let pause = FIRST_POLL_MS; !(await holds()); pause = Math.min(pause * 1.5, MAX_POLL_MS)) {
    if (Date.now() > end) throw new Error(`waited ${WAIT_MS} ms in vain until ${what}`);
    await delay(pause);
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
