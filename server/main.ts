/** The daemon's process: settings, lock, signals, and the line that reports that it serves. */
import { createAuditLog } from '../config/audit-log.js';
import { type CommandHints, commandHints } from '../config/command-hints.js';
import { applyDemoSettings } from '../config/demo-settings.js';
import { type Config, ConfigError, loadConfig } from '../config/load-config.js';
import { ForeignSocketError } from '../config/local-socket-path.js';
import { createLogger, type Logger } from '../config/logger.js';
import { applyTraceSettings } from '../config/trace-settings.js';
import { VERSION } from '../config/version.js';
import { BrokenFileError } from '../disk/json-fault.js';
import { CLOSE, CompanionError } from '../protocol/error-codes.js';
import { isStorageError } from '../protocol/failures.js';
import { plainText } from '../protocol/plain-text.js';
import { JournalUnusableError } from '../services/record/damage/salvage.js';
import { openTracing } from '../services/telemetry/tracing/open-tracing.js';
import { createEnduringServer } from './assembly/create-enduring-server.js';
import type { CompanionServer } from './assembly/create-server.js';
import type { ServicesOptions } from './assembly/create-services.js';
import { HomeInUseError, HomeUnusableError, openHome } from './daemon-home.js';
import { demoAddress, startDemo } from './demo-mode.js';
import { ListenError } from './listen-error.js';
import { type OrphanWatch, startOrphanWatch } from './orphan-watch.js';
import { reportNarrowed } from './secure-home-permissions.js';
import { openTlsFiles, type TlsFiles } from './tls-files.js';

async function main(): Promise<void> {
  const isDemo = process.argv.includes('--demo');
  if (isDemo) applyDemoSettings();
  const settings = loadConfig();
  // Every setting is absolute by now, and the start folder can be removed while the daemon runs.
  process.chdir('/');
  const tls = openTlsFiles(settings);
  const home = openHome(settings.home);
  const { paths, narrowed } = home;
  const demo = isDemo ? await startDemo(settings) : undefined;
  const config = demo?.config ?? settings;
  const log = createLogger({ level: config.LOG_LEVEL, folder: paths.logs });
  reportNarrowed(narrowed, log);
  const audit = createAuditLog({ folder: paths.logs, now: () => Date.now(), log });
  const orphanWatch = watchOrphans({ config, paths, log });
  const tracing = await traceWhereAsked(config, log);
  let _stopping: Promise<void> | undefined;
  const stop = () => {
    _stopping ??= shutDown();
  };
  const server = await createEnduringServer({ config, paths, tls, log, audit, tracing, onStop: stop, onGivenUp: end });
  // The reader of the output can end before the daemon; that is no reason to exit.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, stop);
  if (tls) followRenewals(tls, log);
  watchForBugs(log);
  await introduce(server, commandHints(paths.home));
  audit.record({ action: 'start', outcome: 'ok' });
  const address = demo && demoAddress({ url: server.url, code: (await server.invite()).code, folder: demo.folder });
  tellReady(server, address);
  log.info('ready', { url: server.url, pid: process.pid, ...(tls && { certificate: tls.fingerprint() }) });
  await Promise.all([log.open(), tellProblems(server, log)]);

  async function shutDown(): Promise<void> {
    tls?.close();
    const children = await server.close(CLOSE.restarting, 'restarting');
    await tracing?.close();
    log.info('stopped', { children });
    if (children === 0) orphanWatch.dismiss();
    if (children > 0) process.stderr.write(`${leftInWords(children)}\n`);
    await demo?.close();
    audit.record({ action: 'stop', outcome: 'ok' });
    await Promise.all([audit.close(), log.close()]);
    home.close();
    process.exit(0);
  }
}

/** A person gets the address of the console, a program the one line on stdout, pm2 its message. */
function tellReady({ url }: CompanionServer, demoAddress?: string): void {
  process.stderr.write(`Console: ${demoAddress ?? url}\n`);
  if (demoAddress !== undefined) process.stderr.write('That address pairs one browser, within 10 minutes.\n');
  process.stdout.write(`${JSON.stringify({ event: 'ready', url, pid: process.pid })}\n`);
  process.send?.('ready');
}

/** Nothing of OpenTelemetry is loaded without the setting. The daemon serves as well without traces. */
async function traceWhereAsked({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }: Config, log: Logger) {
  if (endpoint === undefined) return undefined;
  applyTraceSettings(endpoint);
  return openTracing({ version: VERSION, log, now: () => Date.now() }).catch((error: unknown) => {
    log.error('nothing is traced: OpenTelemetry cannot be loaded', { error: String(error) });
    return undefined;
  });
}

const leftInWords = (children: number): string =>
  children === 1
    ? '1 Claude session keeps running. The next start continues with it.'
    : `${children} Claude sessions keep running. The next start continues with them.`;

const watchOrphans = ({ config, paths, log }: Pick<ServicesOptions, 'config' | 'paths' | 'log'>): OrphanWatch =>
  startOrphanWatch({
    file: paths.orphanWatch,
    runFolder: paths.run,
    graceMs: config.ORPHAN_GRACE_MS,
    waitMs: config.ORPHAN_WAIT_MS,
    environment: config.childEnvironment,
    log,
  });

/** A renewal of the certificate can be announced with a SIGHUP, which would end the daemon otherwise. */
function followRenewals(tls: TlsFiles, log: Logger): void {
  tls.follow(log);
  process.on('SIGHUP', () => tls.look(log));
}

/** Problems are reported once, at the start. `companion doctor` reports them at any time. */
async function tellProblems(server: CompanionServer, log: Logger): Promise<void> {
  for (const problem of await server.findProblems()) {
    log.info('the configuration has a problem', { problem });
    process.stderr.write(`claude-companion: ${plainText(problem)}\n`);
  }
}

/** The first start shows a person how to pair a phone; a log gets only the command. */
async function introduce(server: CompanionServer, hints: CommandHints): Promise<void> {
  if (server.hasCredential) return;
  if (!process.stderr.isTTY) {
    process.stderr.write(`No device is paired yet. To pair one: ${hints.companion('pair')}\n`);
    return;
  }
  const { qr, url, code, note } = await server.invite();
  process.stderr.write(
    `\nTo pair a phone, scan this within 10 minutes:\n\n${qr}\n${url}\n\nCode: ${code}\n${note === undefined ? '' : `\n${note}\n`}`,
  );
  process.stderr.write(
    `Another code: ${hints.companion('pair')}\nA token for scripts: ${hints.companion('token')}\n\n`,
  );
}

/** `EX_SOFTWARE` of sysexits.h: a supervisor restarts the daemon, and the next one adopts the children. */
const BUG = 70;
/** A stuck disk does not keep a daemon with a bug alive. */
const LAST_WORDS_MS = 2000;

/** After a bug the daemon's state is undefined: it detaches from its children, which live on, and ends. */
function watchForBugs(log: Logger): void {
  const endWith = (what: string, reason: unknown) => {
    log.error(what, { error: reason instanceof Error ? reason.stack : String(reason) });
    setTimeout(() => process.exit(BUG), LAST_WORDS_MS);
    void log.close().finally(() => process.exit(BUG));
  };
  process.on('unhandledRejection', (reason) => endWith('unhandled rejection', reason));
  process.on('uncaughtException', (error) => endWith('uncaught exception', error));
}

const EXPECTED = [
  BrokenFileError,
  ConfigError,
  ForeignSocketError,
  HomeInUseError,
  HomeUnusableError,
  JournalUnusableError,
  ListenError,
];

const wordsOf = (error: Error): string => {
  const suggestion = error instanceof CompanionError ? error.details?.suggestion : undefined;
  return suggestion === undefined ? error.message : `${error.message.replace(/\.$/, '')}. ${suggestion}`;
};

function end(error: unknown): void {
  const isExpected = isStorageError(error) || EXPECTED.some((kind) => error instanceof kind);
  const text = isExpected ? wordsOf(error as Error) : error instanceof Error ? error.stack : String(error);
  process.stderr.write(`claude-companion: ${text}\n`);
  process.exit(1);
}

main().catch(end);
