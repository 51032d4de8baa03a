import { join } from 'node:path';

/** The environment of a daemon in which passwords cost next to nothing. */
export const CHEAP_PASSWORDS: Record<string, string> = {
  NODE_OPTIONS: `--require ${join(import.meta.dirname, 'cheap-argon2.cjs')}`,
};
