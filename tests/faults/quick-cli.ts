import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { locateCli } from '../../services/claude/cli/cli-status.js';

/**
 * The CLI as it is, but for the two questions that every daemon asks it first: they take 0.4 s of a processor, and that
 * is longer than many daemons live here. Returns the path of its executable, for `CLAUDE_PATH`.
 */
export function makeQuickCli(folder: string): string {
  const real = process.env.TEST_CLAUDE_PATH ?? locateCli({ path: process.env.PATH ?? '' });
  const path = join(folder, 'claude');
  const script = `#!/bin/sh
case "$1" in
  --version) echo '2.1.329 (Claude Code)' ;;
  auth) echo '{"loggedIn": true}' ;;
  *) exec '${real}' "$@" ;;
esac
`;
  writeFileSync(path, script, { mode: 0o755 });
  return path;
}
