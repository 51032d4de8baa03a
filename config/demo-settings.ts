import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { DEMO_HOME } from './command-hints.js';

/** Where the demo keeps its things, apart from a real daemon's. */
export function demoHome(environment: NodeJS.ProcessEnv = process.env): string {
  return environment.COMPANION_HOME ?? join(homedir(), DEMO_HOME);
}

/** Points the CLI at another API, away from the person's own account, settings and conversations. */
export function applyDemoSettings(apiUrl: string, environment: NodeJS.ProcessEnv = process.env): void {
  const home = demoHome(environment);
  const claudeHome = join(home, 'claude');
  mkdirSync(claudeHome, { recursive: true, mode: 0o700 });
  Object.assign(environment, {
    COMPANION_HOME: home,
    CLAUDE_CONFIG_DIR: claudeHome,
    ANTHROPIC_BASE_URL: apiUrl,
    ANTHROPIC_API_KEY: 'sk-ant-demo',
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  });
  delete environment.ANTHROPIC_AUTH_TOKEN;
  delete environment.CLAUDE_CODE_OAUTH_TOKEN;
}
