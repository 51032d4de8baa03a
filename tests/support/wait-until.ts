import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 20;
const WAIT_MS = 15_000;

/** Resolves once the condition holds; for what tells nobody when it changes, such as files and processes. */
export async function waitUntil(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + WAIT_MS;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited ${WAIT_MS} ms in vain until ${what}`);
    await delay(POLL_MS);
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
