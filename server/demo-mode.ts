import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/load-config.js';
import { writeWholeSync } from '../disk/write-whole.js';
import { toStorageError } from '../protocol/storage-error.js';

export interface Demo {
  /** The config of a daemon whose children use the script. */
  config: Config;
  close(): Promise<void>;
}

/**
 * Starts the scripted API and points the CLI at it. The lock of the home must be held: a running demo has its port
 * there.
 */
export async function startDemo(config: Config): Promise<Demo> {
  process.stdout.write('This is a demo: Claude is the real CLI, but its answers come from a script on this machine.\n');
  const { startMessagesApi } = await import('../demo/messages-api.js');
  const { demoScript } = await import('../demo/demo-script.js');
  mkdirSync(join(config.home, 'claude'), { recursive: true, mode: 0o700 });
  const remembered = join(config.home, 'demo-api-port');
  const api = await startMessagesApi(demoScript, { preferredPort: readPort(remembered) });
  rememberPort(remembered, new URL(api.url).port);
  const childEnvironment = Object.freeze({ ...config.childEnvironment, ANTHROPIC_BASE_URL: api.url });
  return { config: Object.freeze({ ...config, childEnvironment }), close: () => api.close() };
}

function rememberPort(path: string, port: string): void {
  try {
    writeWholeSync(path, port);
  } catch (error) {
    throw toStorageError('The port of the demo', error);
  }
}

const MAX_PORT = 65_535;

/** Children also outlive a demo, and keep using the address that they were started with. */
function readPort(path: string): number {
  try {
    const port = Number(readFileSync(path, 'utf8'));
    return Number.isInteger(port) && port > 0 && port <= MAX_PORT ? port : 0;
  } catch {
    // The first demo, or an unreadable file: any port works.
    return 0;
  }
}
