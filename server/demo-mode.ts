import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { applyDemoSettings, demoHome } from '../config/demo-settings.js';

/** Starts the scripted API and points the CLI at it. */
export async function prepareDemo(): Promise<{ close(): Promise<void> }> {
  process.stdout.write('This is a demo: Claude is the real CLI, but its answers come from a script on this machine.\n');
  const { startMessagesApi } = await import('../demo/messages-api.js');
  const { demoScript } = await import('../demo/demo-script.js');
  const home = demoHome();
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const remembered = join(home, 'demo-api-port');
  const api = await startMessagesApi(demoScript, { preferredPort: readPort(remembered) });
  writeFileSync(remembered, new URL(api.url).port, { mode: 0o600 });
  applyDemoSettings(api.url);
  return api;
}

/** Children outlive a demo too, and go on speaking to the address that they were started with. */
function readPort(path: string): number {
  try {
    return Number(readFileSync(path, 'utf8')) || 0;
  } catch {
    return 0;
  }
}
