import { readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import type { Config } from '../config/load-config.js';
import type { Logger } from '../config/logger.js';
import { VERSION } from '../config/version.js';
import type { SessionId } from '../protocol/scalars.js';
import type { Admission } from '../routes/access/admission.js';
import type { RouteServices } from '../routes/route-services.js';
import { AskRunner } from '../services/claude/ask-runner.js';
import { createClaudeLauncher } from '../services/claude/cli-launcher.js';
import { CliStatus } from '../services/claude/cli-status.js';
import { residentBytes } from '../services/claude/process-identity.js';
import { configFolder } from '../services/claude/transcript-place.js';
import { Delivery } from '../services/delivery/delivery.js';
import type { IsVoid } from '../services/identity/principal.js';
import type { JournalDamaged } from '../services/journal/journal-damaged.js';
import { KeepAwake } from '../services/machine/keep-awake.js';
import { MachineRoom } from '../services/machine/machine-room.js';
import type { Audit } from '../services/ports/audit.js';
import type { ClaudeLauncher } from '../services/ports/claude.js';
import type { Journal } from '../services/ports/journal.js';
import type { Publisher } from '../services/ports/publication.js';
import type { PushService } from '../services/push/push-service.js';
import { SessionRegistry } from '../services/sessions/session-registry.js';
import { createSessionSource } from '../services/sessions/session-source.js';
import { SessionStarter } from '../services/sessions/start-session.js';
import { Metrics } from '../services/telemetry/metrics.js';
import { createWorkspace } from '../services/workspace/allowed-roots.js';
import { createFiles } from '../services/workspace/create-files.js';
import { createDirectoryHolder } from '../services/workspace/directory-handle.js';
import { createAccess, newSessionLimit } from './create-access.js';
import { createDeviceExpiry, type DeviceExpiryParts } from './create-expiry.js';
import type { HomePaths } from './daemon-home.js';
import { readHealth } from './health.js';
import { openRecord } from './open-record.js';
import type { TlsFiles } from './tls-files.js';

export interface ServicesOptions {
  config: Config;
  paths: HomePaths;
  /** TLS of the network's side, where the daemon speaks it itself. */
  tls: TlsFiles | undefined;
  log: Logger;
  audit: Audit;
  /** A local command asked the daemon to stop. */
  onStop: () => void;
  /** What made an earlier server of this process give its journal up. */
  damage?: JournalDamaged;
  /** The journal turned out to be damaged: nothing is served any more, and the server is to be closed. */
  onDamage: (damage: JournalDamaged) => void;
}

interface ServedParts {
  /** Ends the connections of what is void. */
  onRevoked: (isVoid: IsVoid) => void;
  /** Where the network's side is served. */
  servedAt: () => string;
}

/** The parts of the daemon, put together. */
export async function createServices(options: ServicesOptions, { onRevoked, servedAt }: ServedParts) {
  const { config, paths, log, audit, onStop } = options;
  const { childEnvironment: environment, ALLOW_BYPASS: allowBypass } = config;
  const metrics: Metrics = countedBy(() => ({ delivery, registry, push }));
  const record = await openRecord({ ...options, metrics, now, registry: () => registry, onRevoked });
  const { journal, identity, push } = record;
  const access = createAccess({ ...options, identity, keyId: record.keyId, servedAt });
  const status = statusOf(config, paths);
  const launcher = createClaudeLauncher({ status, runFolder: paths.run, ...childSettings(config) });
  const { workspace, files } = openWorkspace(config, paths);
  const awake = new KeepAwake({ setting: config.CAFFEINATE, platform: process.platform, program: CAFFEINATE, log });
  const publisher = awake.observe(lateBound(() => delivery));
  const room = roomOf(config);
  const requireRoom = () => room.require();
  const parts = { journal, launcher, publisher, log, now, requireRoom, identify: workspace.identify };
  const registry = new SessionRegistry({ ...parts, ...sessionLimits(config, access.admission) });
  const { delivery, expiry } = createDelivery({ config, registry, metrics, log, ...record });
  const services: RouteServices = {
    registry,
    starter: new SessionStarter({ registry, workspace, launcher, requireRoom, journal, allowBypass, now }),
    delivery,
    identity,
    ...access,
    push,
    journal,
    workspace,
    files,
    askRunner: new AskRunner({ status, requireRoom, environment, home: paths.home, ...askModel(config) }),
    log,
    audit,
    now,
    claudeCodeVersion: () => status.version(),
    health: () => readHealth({ ...healthParts(config, options.tls), room, status, journal, registry, push }),
    metrics,
    memoryOf: residentBytes,
    control: { stop: (options) => stop({ registry, onStop, ...options }) },
    ...routeSettings(config, paths),
  };
  const discard = () => Promise.all([discardStrays(paths.run, registry, launcher), services.askRunner.discardOld()]);
  const quiet = () => {
    for (const part of [expiry, awake, status]) part.close();
  };
  return { services, status, journal, awake, quiet, discardStrays: discard };
}

type DeliverySources = Omit<DeviceExpiryParts, 'delivery'> & { journal: Journal; metrics: Metrics };

/** What brings events to devices, and forgets the devices that do not come back. */
function createDelivery({ journal, metrics, ...parts }: DeliverySources) {
  const { registry, cursors, log } = parts;
  const source = createSessionSource(registry, journal);
  const onReset = (reason: string) => metrics.reset(reason);
  const onDevicesChanged = () => expiry.soon();
  const delivery: Delivery = new Delivery({ journal, cursors, source, onReset, log, now, onDevicesChanged });
  const expiry = createDeviceExpiry({ ...parts, delivery });
  return { delivery, expiry };
}

/** The directories of sessions, and the files in them. */
function openWorkspace(config: Config, { home }: HomePaths) {
  const places = { roots: config.PROJECT_ROOTS, home, hold: createDirectoryHolder(process.platform) };
  return { workspace: createWorkspace(places), files: createFiles({ ...places, ...sensitivity(config) }) };
}

const childSettings = (config: Config) => ({
  environment: { ...config.childEnvironment, ...exitDelay(config) },
  defaults: cliDefaults(config),
});

const healthParts = ({ PROJECT_ROOTS: roots }: Config, tls: TlsFiles | undefined) => ({ version: VERSION, roots, tls });

const sessionLimits = (config: Config, { limits }: Admission) => ({
  endedMs: config.RETENTION_DAYS * DAY_MS,
  maxProcesses: config.MAX_PROCESSES,
  maxWaitingBytes: config.MAX_WAITING_BYTES,
  idleMs: config.IDLE_HIBERNATE_MS,
  requireNewSession: newSessionLimit(limits),
});

const DAY_MS = 86_400_000;

/** Its place on every Mac. */
const CAFFEINATE = '/usr/bin/caffeinate';

const now = () => Date.now();

const statusOf = (
  { childEnvironment: environment, CLAUDE_PATH: configuredPath }: Config,
  { claudeVersion: versionFile }: HomePaths,
): CliStatus => new CliStatus({ environment, versionFile, ...(configuredPath !== undefined && { configuredPath }) });

const roomOf = ({ home, MIN_FREE_MEMORY_BYTES: minMemory, MIN_FREE_DISK_BYTES: minDisk }: Config): MachineRoom =>
  new MachineRoom({ home, minMemory, minDisk });

const countedBy = (parts: () => { delivery: Delivery; registry: SessionRegistry; push: PushService }): Metrics =>
  new Metrics({
    version: VERSION,
    connections: () => parts().delivery.connectionCount,
    unsentBytes: () => parts().delivery.unsentBytes,
    sessions: () => parts().registry.all().length,
    openPushes: () => parts().push.openCount,
  });

/** Children of sessions that a journal lost would run on in directories that are free to be opened again. */
async function discardStrays(run: string, registry: SessionRegistry, launcher: ClaudeLauncher): Promise<void> {
  const strays = readdirSync(run).filter((name) => !registry.find(name as SessionId));
  await Promise.all(strays.map((name) => launcher.discard(name as SessionId)));
}

const askModel = ({ CLAUDE_MODEL: model }: Config) => (model === undefined ? {} : { model });

const routeSettings = (config: Config, paths: HomePaths) => ({
  version: VERSION,
  maxSessions: config.MAX_PROCESSES,
  firstRoot: config.PROJECT_ROOTS[0] ?? paths.home,
});

const sensitivity = ({ FILES_ALLOW_SENSITIVE: allowSensitive, childEnvironment, ...config }: Config) => ({
  allowSensitive,
  keyFiles: [config.APNS_KEY_FILE, config.APNS_CERT_KEY_FILE, config.TLS_KEY_FILE].filter((path) => path !== undefined),
  personHome: childEnvironment.HOME ?? homedir(),
  claudeFolder: configFolder(childEnvironment),
});

interface StopOptions {
  registry: SessionRegistry;
  onStop: () => void;
  all: boolean;
}

async function stop({ registry, onStop, all }: StopOptions): Promise<{ children: number }> {
  const children = registry.all().filter(({ pid }) => pid !== undefined).length;
  if (all) await registry.endChildren();
  setImmediate(onStop);
  return { children };
}

/** Delivery needs sessions and sessions publish to delivery: the publisher is looked up when there is something to say. */
const lateBound = (publisher: () => Publisher): Publisher => ({
  publish: (session, items) => publisher().publish(session, items),
  opened: (session) => publisher().opened(session),
  forgotten: (sessionId) => publisher().forgotten(sessionId),
});

const cliDefaults = (config: Config) => ({
  allowedTools: config.CLAUDE_ALLOWED_TOOLS,
  disallowedTools: config.CLAUDE_DISALLOWED_TOOLS,
  allowBypass: config.ALLOW_BYPASS,
  home: config.home,
  ...(config.CLAUDE_MODEL !== undefined && { model: config.CLAUDE_MODEL }),
  ...(config.CLAUDE_PERMISSION_MODE !== undefined && { permissionMode: config.CLAUDE_PERMISSION_MODE }),
});

const EXIT_MARGIN_MS = 60_000;
/** A longer timer of Node fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * The CLI (2.1.197 and 2.1.329) ends by itself when it has been idle for so long after a turn: where neither a daemon nor
 * its orphan watch has come to it. It does so while a daemon lives as well, and does not mind what its tools have left
 * running, as a server that somebody works with: hence not before the longest of our own times.
 */
function exitDelay({ IDLE_HIBERNATE_MS, ORPHAN_GRACE_MS, ORPHAN_WAIT_MS }: Config) {
  const longestMs = Math.max(IDLE_HIBERNATE_MS, ORPHAN_GRACE_MS, ORPHAN_WAIT_MS);
  const delayMs = Math.min(MAX_TIMER_MS, longestMs + EXIT_MARGIN_MS);
  return { CLAUDE_CODE_EXIT_AFTER_STOP_DELAY: String(delayMs) };
}
