import { join } from 'node:path';

/** The environment of a daemon whose timers run so many times faster; its children's do not. */
export const hurry = (factor: number): Record<string, string> => ({
  NODE_OPTIONS: `--require ${join(import.meta.dirname, 'fast-clock.cjs')}`,
  FAST_CLOCK: String(factor),
});
