import { readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import type { Config } from '../config/load-config.js';
import type { Logger } from '../config/logger.js';
import { VERSION } from '../config/version.js';
import type { SessionId } from '../protocol/scalars.js';
import type { Admission } from '../routes/access/admission.js';
import type { RouteServices } from '../routes/route-services.js';
import { AskRunner } from '../services/claude/ask-runner.js';
import { createClaudeLaunchers } from '../services/claude/cli-launcher.js';
import { CliStatus } from '../services/claude/cli-status.js';
import { PersonalFolders } from '../services/claude/personal-folders.js';
import { residentBytes } from '../services/claude/process-identity.js';
import { configFolder } from '../services/claude/transcript-location.js';
import { Delivery } from '../services/delivery/delivery.js';
import type { Identity } from '../services/identity/identity.js';
import type { IsVoid } from '../services/identity/principal.js';
import type { JournalDamaged } from '../services/journal/journal-damaged.js';
import { KeepAwake } from '../services/machine/keep-awake.js';
import { MachineRoom } from '../services/machine/machine-room.js';
import type { Audit } from '../services/ports/audit.js';
import type { ClaudeLauncher } from '../services/ports/claude.js';
import type { Journal } from '../services/ports/journal.js';
import type { Publisher } from '../services/ports/publication.js';
import type { UserId } from '../services/ports/records.js';
import type { Workspace } from '../services/ports/workspace.js';
import type { PushService } from '../services/push/push-service.js';
import { SessionRegistry } from '../services/sessions/session-registry.js';
import { createSessionSource } from '../services/sessions/session-source.js';
import { Metrics } from '../services/telemetry/metrics.js';
import { createWorkspace } from '../services/workspace/allowed-roots.js';
import { createFiles } from '../services/workspace/create-files.js';
import { createDirectoryHolder } from '../services/workspace/directory-handle.js';
import { childSettings } from './child-settings.js';
import { createAccess, newSessionLimit } from './create-access.js';
import { createDeviceExpiry, type DeviceExpiryParts } from './create-expiry.js';
import type { HomePaths } from './daemon-home.js';
import { readHealth } from './health.js';
import { openRecord } from './open-record.js';
import type { TlsFiles } from './tls-files.js';

export interface ServicesOptions {
  config: Config;
  paths: HomePaths;
  /** TLS of the network server, where the daemon terminates it itself. */
  tls: TlsFiles | undefined;
  log: Logger;
  audit: Audit;
  /** A local command asked the daemon to stop. */
  onStop: () => void;
  /** Why an earlier server of this process gave up its journal. */
  damage?: JournalDamaged;
  /** The journal is damaged: requests are no longer served, and the server must be closed. */
  onDamage: (damage: JournalDamaged) => void;
}

interface ServedParts {
  /** Ends the connections of invalid credentials. */
  onRevoked: (isVoid: IsVoid) => void;
  /** The address of the network server. */
  servedAt: () => string;
}

/** Assembles the parts of the daemon. */
export async function createServices(options: ServicesOptions, { onRevoked, servedAt }: ServedParts) {
  const { config, paths, log, audit, onStop } = options;
  const metrics: Metrics = countedBy(() => ({ delivery, registry, push }));
  const record = await openRecord({ ...options, metrics, now, registry: () => registry, onRevoked });
  const { journal, identity, push } = record;
  const access = createAccess({ ...options, identity, keyId: record.keyId, servedAt });
  const status = statusOf(config, paths);
  const places = openWorkspace(config, paths);
  const awake = new KeepAwake({ setting: config.CAFFEINATE, platform: process.platform, program: CAFFEINATE, log });
  const publisher = awake.observe(lateBound(() => delivery));
  const sessions = createSessions({ ...options, status, journal, publisher, access, identity, ...places });
  const { registry, launchers, requireRoom, bypassProblem, askRunner, personalFolders } = sessions;
  const { delivery, expiry } = createDelivery({ config, registry, metrics, log, ...record });
  const services: RouteServices = {
    registry,
    launchers,
    requireRoom,
    bypassProblem,
    askRunner,
    personalFolders,
    ...places,
    delivery,
    identity,
    ...access,
    push,
    journal,
    log,
    audit,
    now,
    claudeCodeVersion: () => status.version(),
    health: () => readHealth({ ...healthParts(config, options.tls), ...sessions, status, journal, push }),
    metrics,
    memoryOf: residentBytes,
    control: { stop: (options) => stop({ registry, onStop, ...options }) },
    ...routeSettings(config, paths),
  };
  const discard = async () => {
    await Promise.all([discardStrays(paths.run, registry, sessions.launcher), askRunner.discardOld()]);
    // The folders can be large, and no caller waits for their removal.
    void personalFolders.removeUnused();
  };
  const quiet = () => {
    for (const part of [expiry, awake, status]) part.close();
  };
  return { services, status, journal, awake, quiet, discardStrays: discard };
}

type DeliverySources = Omit<DeviceExpiryParts, 'delivery'> & { journal: Journal; metrics: Metrics };

/** Delivers events to devices, and forgets the devices that do not reconnect. */
function createDelivery({ journal, metrics, ...parts }: DeliverySources) {
  const { registry, cursors, log } = parts;
  const source = createSessionSource(registry, journal);
  const onReset = (reason: string) => metrics.reset(reason);
  const onDevicesChanged = () => expiry.soon();
  const delivery: Delivery = new Delivery({ journal, cursors, source, onReset, log, now, onDevicesChanged });
  const expiry = createDeviceExpiry({ ...parts, delivery });
  return { delivery, expiry };
}

interface SessionsOptions extends ServicesOptions {
  status: CliStatus;
  journal: Journal;
  publisher: Publisher;
  access: ReturnType<typeof createAccess>;
  identity: Identity;
  workspace: Workspace;
}

/** All users of CLIs: people's sessions, and single questions, in one queue for process slots. */
function createSessions({ config, paths, log, status, access, identity, workspace, ...given }: SessionsOptions) {
  const owner = identity.people.owner.userId as UserId;
  const children = childSettings({ config, paths, log, owner });
  const launchers = createClaudeLaunchers({ status, runFolder: paths.run, ...children });
  const room = new MachineRoom({
    home: config.home,
    minMemory: config.MIN_FREE_MEMORY_BYTES,
    minDisk: config.MIN_FREE_DISK_BYTES,
  });
  const requireRoom = () => room.require();
  const personalFolders = new PersonalFolders({
    folder: paths.people,
    isPerson: (person) => identity.people.find(person) !== undefined,
    isInUse: (person) => registry.hasAny(person) || askRunner.isAsking(person),
    log,
  });
  const onLeft = (person: UserId) => void personalFolders.removeUnusedOf(person);
  const parts = { ...given, workspace, launchers, log, now, requireRoom, onForgotten: onLeft };
  const limits = sessionLimits(config, access.admission);
  const registry: SessionRegistry = new SessionRegistry({ ...parts, ...limits, identify: workspace.identify });
  const takeSlot = registry.takeSlot.bind(registry);
  const askRunner: AskRunner = new AskRunner({ ...children, status, requireRoom, takeSlot, onEnded: onLeft });
  const { withoutEffect, bypassProblem } = children;
  const forCommands = { registry, launchers, requireRoom, bypassProblem };
  return { ...forCommands, askRunner, personalFolders, room, withoutEffect, launcher: launchers.of(owner) };
}

/** The directories of sessions, and the files in them. */
function openWorkspace(config: Config, { home, people }: HomePaths) {
  const places = { roots: config.PROJECT_ROOTS, home, people, hold: createDirectoryHolder(process.platform) };
  return { workspace: createWorkspace(places), files: createFiles({ ...places, ...sensitivity(config) }) };
}

const healthParts = ({ PROJECT_ROOTS: roots }: Config, tls: TlsFiles | undefined) => ({ version: VERSION, roots, tls });

const sessionLimits = (config: Config, { limits }: Admission) => ({
  endedMs: config.RETENTION_DAYS * DAY_MS,
  maxProcesses: config.MAX_PROCESSES,
  maxWaitingBytes: config.MAX_WAITING_BYTES,
  idleMs: config.IDLE_HIBERNATE_MS,
  requireNewSession: newSessionLimit(limits),
});

const DAY_MS = 86_400_000;

/** Its path on every Mac. */
const CAFFEINATE = '/usr/bin/caffeinate';

const now = () => Date.now();

const statusOf = (
  { childEnvironment: environment, CLAUDE_PATH: configuredPath }: Config,
  { claudeVersion: versionFile }: HomePaths,
): CliStatus => new CliStatus({ environment, versionFile, ...(configuredPath !== undefined && { configuredPath }) });

const countedBy = (parts: () => { delivery: Delivery; registry: SessionRegistry; push: PushService }): Metrics =>
  new Metrics({
    version: VERSION,
    connections: () => parts().delivery.connectionCount,
    unsentBytes: () => parts().delivery.unsentBytes,
    sessions: () => parts().registry.all().length,
    openPushes: () => parts().push.openCount,
  });

/** Children of sessions missing from the journal would continue in directories that new sessions can use. */
async function discardStrays(run: string, registry: SessionRegistry, launcher: ClaudeLauncher): Promise<void> {
  const strays = readdirSync(run).filter((name) => !registry.find(name as SessionId));
  await Promise.all(strays.map((name) => launcher.discard(name as SessionId)));
}

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

/** Delivery needs sessions and sessions publish to delivery: the publisher is looked up on use. */
const lateBound = (publisher: () => Publisher): Publisher => ({
  publish: (session, items) => publisher().publish(session, items),
  opened: (session) => publisher().opened(session),
  forgotten: (sessionId) => publisher().forgotten(sessionId),
});
