import { fileURLToPath } from 'node:url';

/** Given to a daemon as `CLAUDE_PATH`. */
export const FAKE_CLI = fileURLToPath(new URL('./fake-cli.mjs', import.meta.url));
