import { homedir } from 'node:os';
import { join } from 'node:path';
import { DEMO_HOME } from './command-hints.js';

/**
 * Separates the demo from a real daemon and from the person's own account, settings and conversations. Changes only the
 * environment, not the disk: the home can still turn out to be in use.
 */
export function applyDemoSettings(environment: NodeJS.ProcessEnv = process.env): void {
  const home = environment.COMPANION_HOME || join(homedir(), DEMO_HOME);
  Object.assign(environment, {
    COMPANION_HOME: home,
    CLAUDE_CONFIG_DIR: join(home, 'claude'),
    ANTHROPIC_API_KEY: 'sk-ant-demo',
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  });
  delete environment.ANTHROPIC_BASE_URL;
  delete environment.ANTHROPIC_AUTH_TOKEN;
  delete environment.CLAUDE_CODE_OAUTH_TOKEN;
}
