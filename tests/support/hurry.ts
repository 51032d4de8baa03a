import { join } from 'node:path';

const preload = (name: string) => `--require ${join(import.meta.dirname, name)}`;

/** The environment of a daemon whose timers run so many times faster; its children's do not. */
export const hurry = (factor: number): Record<string, string> => ({
  NODE_OPTIONS: preload('fast-clock.cjs'),
  FAST_CLOCK: String(factor),
});

/** As `hurry`; the daemon's servers are so many times less patient as well. */
export const hurryServers = (factor: number): Record<string, string> => ({
  ...hurry(factor),
  NODE_OPTIONS: `${preload('fast-clock.cjs')} ${preload('fast-servers.cjs')}`,
  FAST_SERVERS: String(factor),
});
