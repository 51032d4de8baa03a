import { mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../config/load-config.js';
import { writeWholeSync } from '../disk/write-whole.js';
import { toStorageError } from '../protocol/failures.js';

export interface Demo {
  /** The config of a daemon whose children use the script. */
  config: Config;
  /** Where its first session works: a folder below the first of `PROJECT_ROOTS`. */
  folder: string;
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
  const folder = join(config.PROJECT_ROOTS[0] ?? homedir(), 'claude-companion-demo');
  makeFolder(folder);
  const childEnvironment = Object.freeze({ ...config.childEnvironment, ANTHROPIC_BASE_URL: api.url });
  return { config: Object.freeze({ ...config, childEnvironment }), folder, close: () => api.close() };
}

/**
 * The address of the console that pairs a browser, once and within 10 minutes, and opens a session that shows itself.
 * The code is in the fragment, which no server sees.
 */
export const demoAddress = ({ url, code, folder }: { url: string; code: string; folder: string }): string =>
  `${url}/#pair=${code}&show=${encodeURIComponent(folder)}`;

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch {
    // The console says why no session can be opened there; everything else of the demo works.
  }
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
