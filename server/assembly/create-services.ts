import { readdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AUDIT_LOG } from '../../config/audit-log.js';
import type { Config } from '../../config/load-config.js';
import type { Logger } from '../../config/logger.js';
import { VERSION } from '../../config/version.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { Admission } from '../../routes/access/admission.js';
import { ConsoleFiles } from '../../routes/http/console-files.js';
import { AgentWaits } from '../../routes/mcp/agent-waits.js';
import type { RouteServices } from '../../routes/route-services.js';
import { createEventBlocks } from '../../routes/sse/event-blocks.js';
import { EventStreams } from '../../routes/sse/event-streams.js';
import { AskRunner } from '../../services/claude/ask-runner.js';
import { CliStatus } from '../../services/claude/cli/cli-status.js';
import { PersonalFolders } from '../../services/claude/cli/personal-folders.js';
import { createClaudeLaunchers } from '../../services/claude/cli-launcher.js';
import { createMemoryReader } from '../../services/claude/process/resident-memory.js';
import { CHILD_MARKER, sweep } from '../../services/claude/process/sweep.js';
import { configFolder } from '../../services/claude/transcript/transcript-location.js';
import { Delivery } from '../../services/delivery/delivery.js';
import type { Identity } from '../../services/identity/identity.js';
import type { IsVoid } from '../../services/identity/principal.js';
import { KeepAwake } from '../../services/machine/keep-awake.js';
import { MachineRoom } from '../../services/machine/machine-room.js';
import type { Audit } from '../../services/ports/audit.js';
import type { SessionBudgets } from '../../services/ports/budgets.js';
import type { ClaudeLauncher } from '../../services/ports/claude.js';
import type { Journal } from '../../services/ports/journal.js';
import type { SessionPushes } from '../../services/ports/outbox.js';
import type { Publisher } from '../../services/ports/publication.js';
import type { UserId } from '../../services/ports/records.js';
import type { Snapshots } from '../../services/ports/snapshots.js';
import type { Tracing } from '../../services/ports/tracing.js';
import type { FileTrash, Workspace } from '../../services/ports/workspace.js';
import type { JournalDamaged } from '../../services/record/damage/damage-guard.js';
import { createSessionSource, SessionRegistry } from '../../services/sessions/session-registry.js';
import { type AuditQuery, readAudit } from '../../services/telemetry/audit-reader.js';
import type { Metrics } from '../../services/telemetry/metrics.js';
import type { SessionObserver } from '../../services/telemetry/observe-sessions.js';
import { auditTools } from '../../services/telemetry/tool-audit.js';
import { createWorkspace } from '../../services/workspace/allowed-roots.js';
import { createFiles } from '../../services/workspace/create-files.js';
import { createDirectoryHolder } from '../../services/workspace/directory-handle.js';
import { createRepositories } from '../../services/workspace/git/repositories.js';
import { sensitivePlaces } from '../../services/workspace/protected-names.js';
import { SnapshotThread } from '../../services/workspace/snapshot/snapshot-thread.js';
import { Trash } from '../../services/workspace/trash/trash.js';
import type { HomePaths } from '../daemon-home.js';
import { readHealth } from '../health.js';
import type { TlsFiles } from '../tls-files.js';
import { childSettings } from './child-settings.js';
import { createAccess, newSessionLimit } from './create-access.js';
import { createDeviceExpiry, type DeviceExpiryParts } from './create-expiry.js';
import { createScheduler } from './create-scheduler.js';
import { createSearch } from './create-search.js';
import { type CountedParts, createTelemetry } from './create-telemetry.js';
import { openRecord } from './open-record.js';

export interface ServicesOptions {
  config: Config;
  paths: HomePaths;
  /** TLS of the network server, where the daemon terminates it itself. */
  tls: TlsFiles | undefined;
  log: Logger;
  audit: Audit;
  /** Undefined: nothing is traced. */
  tracing: Tracing | undefined;
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
  const { config, paths, log, audit, tracing, onStop } = options;
  const counted: () => CountedParts = () => ({ ...delivered, registry, push, webhooks });
  const { home, MAX_PROCESSES: maxChildren } = config;
  const { metrics, clients, observer } = createTelemetry({ home, now, maxChildren, memoryOf, parts: counted });
  const record = await openRecord({ ...options, metrics, now, registry: () => registry, onRevoked });
  const { journal, identity, push, webhooks } = record;
  const access = createAccess({ ...options, identity, keyId: record.keyId, servedAt });
  const status = statusOf(config, paths);
  const places = openWorkspace(config, paths, log);
  const awake = openAwake(config, log);
  const publisher = publisherTo({ audit, observer, awake, tracing, parts: counted });
  const snapshots = openSnapshots(config, paths, log);
  const sessions = createSessions({ ...options, ...record, status, publisher, access, snapshots, ...places });
  const search = createSearch({ ...record, ...sessions, ...places, log });
  const { registry, launchers, requireRoom, bypassProblem, askRunner, personalFolders } = sessions;
  const { expiry, ...delivered } = createDelivery({ config, registry, metrics, log, ...record });
  const scheduler = createScheduler({ store: record.schedules, services: () => services, now, log });
  const services: RouteServices = {
    registry,
    launchers,
    requireRoom,
    bypassProblem,
    askRunner,
    personalFolders,
    ...places,
    ...delivered,
    ...record,
    ...access,
    schedules: scheduler,
    search,
    health: () => readHealth({ ...healthParts(config, options.tls), ...sessions, status, journal, push }),
    metrics,
    clients,
    control: { stop: (options) => stop({ registry, onStop, ...options }) },
    ...routeSettings({ ...options, status }),
  };
  const discard = () => discardOld(paths.run, { ...sessions, ...places });
  const quiet = () => closeAll([search, expiry, awake, status, snapshots, places.trash, metrics]);
  return { services, status, journal, awake, scheduler, quiet, discardStrays: discard };
}

function closeAll(parts: readonly { close(): void }[]): void {
  for (const part of parts) part.close();
}

type DeliverySources = Omit<DeviceExpiryParts, 'delivery'> & { journal: Journal; metrics: Metrics };

/** Delivers events to devices and other readers, and forgets the devices that do not reconnect. */
function createDelivery({ journal, metrics, ...parts }: DeliverySources) {
  const { registry, cursors, log } = parts;
  const source = createSessionSource(registry, journal);
  const counts = {
    onReset: (reason: string) => metrics.resets.inc({ reason }),
    onReplay: (events: number, ageMs: number) => {
      metrics.replayed.observe(events);
      metrics.replayAge.observe(ageMs / 1000);
    },
    onEvent: (outcome: string) => metrics.delivered.inc({ outcome }),
  };
  const onDevicesChanged = () => expiry.soon();
  const delivery: Delivery = new Delivery({ journal, cursors, source, ...counts, log, now, onDevicesChanged });
  const expiry = createDeviceExpiry({ ...parts, delivery });
  return { delivery, expiry, eventStreams: new EventStreams(createEventBlocks(journal)), agentWaits: new AgentWaits() };
}

interface SessionsOptions extends ServicesOptions {
  status: CliStatus;
  journal: Journal;
  push: SessionPushes;
  webhooks: SessionPushes;
  budgets: SessionBudgets;
  publisher: Publisher;
  access: ReturnType<typeof createAccess>;
  identity: Identity;
  workspace: Workspace;
  snapshots: Snapshots;
  trash: FileTrash;
}

/** All users of CLIs: people's sessions, and single questions, in one queue for process slots. */
function createSessions({
  config,
  paths,
  log,
  status,
  access,
  identity,
  workspace,
  tracing,
  ...given
}: SessionsOptions) {
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
  const told = { pushes: together([given.push, given.webhooks]), traces: tracing?.prompts };
  const parts = { ...given, ...told, workspace, launchers, log, now, requireRoom, onForgotten: onLeft };
  const limits = sessionLimits(config, access.admission);
  const { identify, removeOwnFolder: removeFolder } = workspace;
  const registry: SessionRegistry = new SessionRegistry({ ...parts, ...limits, identify, removeFolder });
  const takeSlot = registry.takeSlot.bind(registry);
  const slots = { takeSlot, hasFreeSlot: () => registry.hasFreeSlot };
  const askRunner: AskRunner = new AskRunner({ ...children, ...slots, status, requireRoom, onEnded: onLeft });
  const { withoutEffect, bypassProblem } = children;
  const forCommands = { registry, launchers, requireRoom, bypassProblem };
  return { ...forCommands, askRunner, personalFolders, room, withoutEffect, launcher: launchers.of(owner) };
}

/** What devices are owed, and what other programs are. */
const together = (parts: readonly SessionPushes[]): SessionPushes => ({
  owed: (change) => parts.flatMap((part) => part.owed(change)),
  committed: (change, owed) => {
    for (const part of parts) part.committed(change, owed);
  },
  forgotten: (sessionId) => {
    for (const part of parts) part.forgotten(sessionId);
  },
});

/** The directories of sessions, the files in them, and the repositories. */
function openWorkspace(config: Config, paths: HomePaths, log: Logger) {
  const { home, people, clones, scratch } = paths;
  const places = { roots: config.PROJECT_ROOTS, home, people, hold: createDirectoryHolder(process.platform) };
  const repositories = createRepositories({
    ...places,
    environment: config.childEnvironment,
    maxCloneBytes: config.CLONE_MAX_BYTES,
    maxCloneMs: config.CLONE_TIMEOUT_MS,
    unfinished: { folder: clones, endMarked: (id) => sweep({ marker: CHILD_MARKER, value: cloneMark(id) }), log },
    scratch,
    mark: (id) => ({ [CHILD_MARKER]: cloneMark(id) }),
  });
  const trash = openTrash(config, paths, log);
  const files = createFiles({ ...places, ...sensitivity(config), trash, git: openScratch(config, paths) });
  return { workspace: createWorkspace(places), files, trash, repositories };
}

/** A daemon that was killed can have left something. */
function openScratch({ childEnvironment }: Config, { scratch }: HomePaths) {
  rmSync(scratch, { recursive: true, force: true });
  return { scratch, path: childEnvironment.PATH };
}

function openTrash(
  { TRASH_BYTES: maxBytes, TRASH_DAYS: days }: Config,
  { trash: folder }: HomePaths,
  log: Logger,
): Trash {
  return new Trash({ folder, maxBytes, maxAgeMs: days * DAY_MS, now, log });
}

const cloneMark = (id: string): string => `clone-${id}`;

interface PublisherParts {
  audit: Audit;
  observer: SessionObserver;
  awake: KeepAwake;
  tracing: Tracing | undefined;
  parts: () => CountedParts;
}

/** Delivery, and what looks at what is published. */
function publisherTo({ audit, observer, awake, tracing, parts }: PublisherParts): Publisher {
  const isAudited = (sessionId: SessionId) =>
    parts().registry.find(sessionId)?.state.record.toolChoice?.isAudited ?? false;
  const counted = auditTools({ audit, isAudited }, observer.observe(awake.observe(lateBound(() => parts().delivery))));
  return tracing ? tracing.observe(counted) : counted;
}

const openAwake = ({ CAFFEINATE: setting }: Config, log: Logger): KeepAwake =>
  new KeepAwake({ setting, platform: process.platform, program: CAFFEINATE, log });

/** How directories are before and after turns. */
function openSnapshots(config: Config, { snapshots: folder, home, people }: HomePaths, log: Logger): SnapshotThread {
  const script = fileURLToPath(new URL('./snapshot-worker.js', import.meta.url));
  const { FILES_ALLOW_SENSITIVE: allowSensitive } = config;
  const secrets = allowSensitive ? [] : sensitivePlaces(sensitivity(config));
  const settings = { folder, never: [home, people, ...secrets], allowSensitive };
  return new SnapshotThread({ script, settings, log });
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

const memoryOf = createMemoryReader();

const statusOf = (
  { childEnvironment: environment, CLAUDE_PATH: configuredPath }: Config,
  { claudeVersion: versionFile }: HomePaths,
): CliStatus => new CliStatus({ environment, versionFile, ...(configuredPath !== undefined && { configuredPath }) });

type Discarding = ReturnType<typeof createSessions> & Pick<RouteServices, 'repositories' | 'workspace'>;

async function discardOld(run: string, parts: Discarding): Promise<void> {
  const { registry, launcher, askRunner, personalFolders, repositories, workspace } = parts;
  const used = new Set(registry.all().map(({ state }) => state.record.directory));
  await workspace.removeUnusedFolders((path) => used.has(path));
  await Promise.all([discardStrays(run, registry, launcher), askRunner.discardOld()]);
  // The folders can be large, and no caller waits for their removal.
  void personalFolders.removeUnused();
  void repositories.clearUnfinished();
}

/** Children of sessions missing from the journal would continue in directories that new sessions can use. */
async function discardStrays(run: string, registry: SessionRegistry, launcher: ClaudeLauncher): Promise<void> {
  const strays = readdirSync(run).filter((name) => !registry.find(name as SessionId));
  await Promise.all(strays.map((name) => launcher.discard(name as SessionId)));
}

const routeSettings = ({ config, paths, status, ...given }: ServicesOptions & { status: CliStatus }) => ({
  now,
  log: given.log,
  audit: given.audit,
  readAudit: (query: AuditQuery) => readAudit(join(paths.logs, AUDIT_LOG), query),
  tracing: given.tracing,
  claudeCodeVersion: () => status.version(),
  memoryOf,
  version: VERSION,
  maxSessions: config.MAX_PROCESSES,
  docsFolder: fileURLToPath(new URL('../docs', import.meta.url)),
  consoleFiles: new ConsoleFiles(fileURLToPath(new URL('../console', import.meta.url))),
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
  isNamed: (owner, type) => publisher().isNamed(owner, type),
  opened: (session) => publisher().opened(session),
  forgotten: (sessionId) => publisher().forgotten(sessionId),
});
