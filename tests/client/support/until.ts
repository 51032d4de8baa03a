import { setImmediate } from 'node:timers/promises';

const DEADLINE_MS = 20_000;

/** Resolves as soon as the condition holds; looks once in each turn of the event loop, and makes no timers. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await setImmediate();
  }
}
