import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Points the CLI at an embedded scripted API, away from the person's own account, settings and sessions. */
export async function prepareDemo(environment: NodeJS.ProcessEnv = process.env): Promise<{ close(): Promise<void> }> {
  process.stdout.write('This is a demo: Claude is the real CLI, but its answers come from a script on this machine.\n');
  const { startMessagesApi } = await import('../demo/messages-api.js');
  const { demoScript } = await import('../demo/demo-script.js');
  const api = await startMessagesApi(demoScript);
  const home = environment['COMPANION_HOME'] ?? join(homedir(), '.claude-companion-demo');
  const claudeHome = join(home, 'claude');
  mkdirSync(claudeHome, { recursive: true, mode: 0o700 });
  Object.assign(environment, {
    COMPANION_HOME: home,
    CLAUDE_CONFIG_DIR: claudeHome,
    ANTHROPIC_BASE_URL: api.url,
    ANTHROPIC_API_KEY: 'sk-ant-demo',
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  });
  delete environment['ANTHROPIC_AUTH_TOKEN'];
  delete environment['CLAUDE_CODE_OAUTH_TOKEN'];
  return api;
}
