/** The daemon's process: settings, lock, signals, and the one line that says that it serves. */
import { ConfigError, loadConfig } from '../config/load-config.js';
import { createLogger, type Logger } from '../config/logger.js';
import { CLOSE } from '../protocol/error-codes.js';
import { isStorageError } from '../protocol/storage-error.js';
import { JournalUnusableError } from '../services/journal/salvage.js';
import { createEnduringServer } from './create-enduring-server.js';
import { type CompanionServer, ListenError } from './create-server.js';
import { HomeInUseError, HomeUnusableError, lockHome, prepareHome } from './daemon-home.js';
import { prepareDemo } from './demo-mode.js';
import { startOrphanWatch } from './orphan-watch.js';

async function main(): Promise<void> {
  const demo = process.argv.includes('--demo') ? await prepareDemo() : undefined;
  const config = loadConfig();
  const paths = prepareHome(config.home);
  const lock = lockHome(paths);
  const log = createLogger({ level: config.LOG_LEVEL, folder: paths.logs });
  const orphanWatch = startOrphanWatch({
    file: paths.orphanWatch,
    runFolder: paths.run,
    graceMs: config.ORPHAN_GRACE_MS,
    waitMs: config.ORPHAN_WAIT_MS,
    environment: config.childEnvironment,
    log,
  });
  let _stopping: Promise<void> | undefined;
  const stop = () => {
    _stopping ??= shutDown();
  };
  const server = await createEnduringServer({ config, paths, log, onStop: stop, onGivenUp: end });
  // Whoever read our output may be gone before we are; that is no reason to end.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  watchForBugs(log);
  await introduceToken(server);
  process.stdout.write(`${JSON.stringify({ event: 'ready', url: server.url, pid: process.pid })}\n`);
  process.send?.('ready');
  log.info('ready', { url: server.url, pid: process.pid });
  await Promise.all([log.open(), server.probeClaude()]);

  async function shutDown(): Promise<void> {
    const children = await server.close(CLOSE.restarting, 'restarting');
    log.info('stopped', { children });
    if (children === 0) orphanWatch.dismiss();
    if (children > 0) process.stderr.write(`${children} Claude sessions go on; the next start takes them up.\n`);
    await demo?.close();
    await log.close();
    lock.close();
    process.exit(0);
  }
}

/** The first start makes the owner's token. It is shown once, and only to a person. */
async function introduceToken({ identity }: CompanionServer): Promise<void> {
  if (identity.hasCredential) return;
  if (!process.stderr.isTTY) {
    process.stderr.write('There is no access token yet. To make one: npm run companion -- token\n');
    return;
  }
  const token = await identity.makeToken();
  process.stderr.write(`\nYour access token, shown this once: ${token}\nA new one: npm run companion -- token\n\n`);
}

function watchForBugs(log: Logger): void {
  process.on('unhandledRejection', (reason) => {
    log.error('unhandled rejection', { error: reason instanceof Error ? reason.stack : String(reason) });
  });
  process.on('uncaughtException', (error) => {
    log.error('uncaught exception', { error: error.stack });
    void log.close().finally(() => process.exit(70));
  });
}

const EXPECTED = [ConfigError, HomeInUseError, HomeUnusableError, JournalUnusableError, ListenError];

function end(error: unknown): void {
  const isExpected = isStorageError(error) || EXPECTED.some((kind) => error instanceof kind);
  const text = isExpected ? (error as Error).message : error instanceof Error ? error.stack : String(error);
  process.stderr.write(`claude-companion: ${text}\n`);
  process.exit(1);
}

main().catch(end);
