import { setTimeout as delay, setImmediate } from 'node:timers/promises';

const DEADLINE_MS = 20_000;
/** What happens within a process is over by then. */
const BUSY_MS = 5;
const PAUSE_MS = 5;

/**
 * Resolves when the condition holds; rejects after 20 s. Looks in each turn of the event loop at first, later every 5 ms,
 * so that waiting for another process takes nothing from it. Its timers are not among those that a test counts.
 */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const start = performance.now();
  while (!condition()) {
    const waited = performance.now() - start;
    if (waited > DEADLINE_MS) throw new Error(`waited in vain until ${what}`);
    await (waited < BUSY_MS ? setImmediate() : delay(PAUSE_MS));
  }
}
