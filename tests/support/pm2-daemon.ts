/** The daemon as pm2 runs it: the real pm2 with a home of its own, and the ecosystem file as it is. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type DaemonFolders, endChildrenOf, environmentIn, makeFolders } from './daemon.js';
import { freePort } from './free-port.js';
import { isAlive, waitUntil } from './wait-until.js';

const require = createRequire(import.meta.url);
const PM2 = require.resolve('pm2/bin/pm2');
const ECOSYSTEM = join(import.meta.dirname, '../../ecosystem.config.cjs');
const APP = 'claude-companion';

export interface Pm2Daemon extends DaemonFolders {
  /** Of the daemon: it has to be known to the proxy, and to stay the same. */
  readonly port: number;
  /** The daemon's, as pm2 knows it. */
  pid(): Promise<number>;
  /** `pm2 restart`: back when the new daemon serves. */
  restart(): Promise<void>;
  /** Everything that the daemon and pm2 have written to their logs. */
  logs(): string;
  /** Ends pm2, the daemon and every child, and removes the folders. Rejects when something of it is left. */
  stop(): Promise<void>;
}

export interface Pm2DaemonOptions {
  apiUrl: string;
  environment?: Record<string, string>;
}

export async function startUnderPm2({ apiUrl, environment = {} }: Pm2DaemonOptions): Promise<Pm2Daemon> {
  const folders = makeFolders();
  const port = await freePort();
  const pm2Home = join(folders.base, 'pm2');
  mkdirSync(pm2Home);
  const env = {
    ...environmentIn(folders, apiUrl),
    PORT: String(port),
    PM2_HOME: pm2Home,
    // pm2 asks its makers for the newest version otherwise.
    PM2_DISCRETE_MODE: '1',
    PM2_DISABLE_VERSION_CHECK: '1',
    ...environment,
  };
  const pm2 = async (...args: string[]) =>
    (await promisify(execFile)(process.execPath, [PM2, '--no-color', ...args], { env, cwd: folders.base })).stdout;
  const daemon: Pm2Daemon = {
    ...folders,
    port,
    pid: async () => Number((await pm2('pid', APP)).trim()),
    restart: async () => {
      await pm2('restart', APP);
    },
    logs: () => [pm2Home, join(pm2Home, 'logs'), join(folders.home, 'logs')].map(readLogs).join('\n'),
    stop: async () => {
      const pids = pidsIn(pm2Home);
      await pm2('kill');
      await waitUntil('pm2 and the daemon have ended', () => !pids.some(isAlive));
      const left = endChildrenOf(folders.home);
      rmSync(folders.base, { recursive: true, force: true, maxRetries: 10 });
      if (left.length > 0) throw new Error(`processes were left: ${left.join(', ')}`);
    },
  };
  await pm2('start', ECOSYSTEM).catch(async (error: unknown) => {
    await daemon.stop();
    throw error;
  });
  return daemon;
}

function readLogs(folder: string): string {
  const files = readdirSync(folder)
    .map((name) => join(folder, name))
    .filter((path) => path.endsWith('.log') && statSync(path).isFile());
  return files.map((path) => readFileSync(path, 'utf8')).join('\n');
}

/** Pids that pm2 has written down: its own and the daemon's. */
function pidsIn(pm2Home: string): number[] {
  const files = [join(pm2Home, 'pm2.pid'), join(pm2Home, 'pids', `${APP}-0.pid`)];
  return files.filter((path) => existsSync(path)).map((path) => Number(readFileSync(path, 'utf8')));
}
