import { CompanionError } from '../../protocol/error-codes.js';
import type { SessionId } from '../../protocol/scalars.js';
import { newId } from '../model/new-id.js';
import type { SessionBudgets } from '../ports/budgets.js';
import type { ClaudeLaunchers } from '../ports/claude.js';
import type { Journal } from '../ports/journal.js';
import type { Log } from '../ports/log.js';
import type { RequireRoom } from '../ports/machine.js';
import type { SessionPushes } from '../ports/outbox.js';
import type { Publisher } from '../ports/publication.js';
import type { StoredSession, UserId } from '../ports/records.js';
import type { SessionSource } from '../ports/session-source.js';
import type { Snapshots } from '../ports/snapshots.js';
import type { PromptTraces } from '../ports/tracing.js';
import type { FileTrash, Place } from '../ports/workspace.js';
import { ChildSlots, type SlotHolder } from './child/child-slots.js';
import { newestPage } from './history.js';
import { permissionRequestOf } from './machine/permission-requests.js';
import { openPermissions, sessionStatusOf } from './machine/session-state.js';
import { tasksOf } from './machine/task-view.js';
import { Session } from './session.js';
import { Mailbox } from './session-core.js';
import { WaitingContents } from './waiting-contents.js';

export interface SessionRegistryOptions {
  journal: Journal;
  launchers: ClaudeLaunchers;
  publisher: Publisher;
  pushes: SessionPushes;
  budgets: SessionBudgets;
  /** Absent: they are not traced. */
  traces?: PromptTraces | undefined;
  snapshots: Snapshots;
  trash: Pick<FileTrash, 'forget'>;
  log: Log;
  now: () => number;
  /** The maximum number of running children. */
  maxProcesses: number;
  /** Maximum bytes of waiting long texts and attachments, over all sessions. */
  maxWaitingBytes: number;
  requireRoom: RequireRoom;
  /** Rejects when the person has recently begun too many sessions. */
  requireNewSession: (owner: UserId) => Promise<void>;
  /** Idle time in milliseconds after which a child is ended. */
  idleMs: number;
  /** Milliseconds after closing from which a session no longer counts for followers of all sessions. */
  endedMs: number;
  /** The identity of the directory to which a path leads now; undefined when there is none. */
  identify: (path: string) => Promise<string | undefined>;
  /** Removes the folder of a session that a program began. */
  removeFolder: (path: string) => Promise<void>;
  /** A session of this person was forgotten, and nothing started by its children is left. */
  onForgotten: (owner: UserId) => void;
}

export interface Opener {
  owner: UserId;
  requireMore: () => void;
}

/** All sessions: at most one per directory. */
export class SessionRegistry {
  readonly #options: SessionRegistryOptions;
  readonly #sessions = new Map<SessionId, Session>();
  readonly #leaving = new Map<SessionId, Session>();
  readonly #opening = new Mailbox();
  /** Openings with keys that may only have some sessions open. */
  readonly keyOpenings = new Mailbox();
  readonly #slots: ChildSlots;
  /** Children outside any session that can do without their slots. */
  readonly #outside = new Set<SlotHolder>();
  readonly #waiting: WaitingContents;
  #isEnding = false;

  constructor(options: SessionRegistryOptions) {
    this.#options = options;
    this.#waiting = new WaitingContents({
      journal: options.journal,
      maxBytes: options.maxWaitingBytes,
      prompts: () => this.all().flatMap(({ owner, state }) => state.prompts.map((prompt) => ({ owner, prompt }))),
    });
    this.#slots = new ChildSlots({
      max: options.maxProcesses,
      holders: () => [
        ...this.all().flatMap((session) => (session.hasChild ? session.slotHolder : [])),
        ...this.#outside,
      ],
    });
  }

  /** Loads the journal's sessions and adopts the children still running. Resolves when all are adopted. */
  async recover(): Promise<void> {
    const sessions = this.#options.journal.loadSessions().map((one) => this.#add(one));
    this.#options.snapshots.keepOnly(new Set(sessions.map(({ id }) => id)));
    const results = await Promise.allSettled(sessions.map((session) => session.recover()));
    for (const [index, result] of results.entries()) {
      if (result.status === 'fulfilled') continue;
      const sessionId = sessions[index]?.id;
      this.#options.log.error('a session cannot be recovered', { sessionId, error: String(result.reason) });
    }
  }

  /** The person's sessions, newest activity first, without those that programs began. */
  owned(owner: UserId): Session[] {
    return this.ownedAll(owner).filter(({ state }) => !state.record.ofProgram);
  }

  /** The same with those that programs began for conversations of their own. */
  ownedAll(owner: UserId): Session[] {
    return [...this.#sessions.values()]
      .filter((session) => session.owner === owner)
      .sort((a, b) => b.state.record.lastActivity - a.state.record.lastActivity);
  }

  /** Whether the person has any session, including a purged one that is not fully removed. */
  hasAny(owner: UserId): boolean {
    return [...this.#sessions.values(), ...this.#leaving.values()].some((session) => session.owner === owner);
  }

  /** Closed for so long that none of its events is stored: a follower must open it again. */
  hasEnded({ state: { record } }: Session, now = this.#options.now()): boolean {
    return record.closed !== undefined && now - record.updatedAt > this.#options.endedMs;
  }

  all(): Session[] {
    return [...this.#sessions.values()];
  }

  /** For existing followers: includes a purged session until they have its last events. */
  followed(sessionId: SessionId): Session | undefined {
    return this.#sessions.get(sessionId) ?? this.#leaving.get(sessionId);
  }

  find(sessionId: SessionId): Session | undefined {
    return this.#sessions.get(sessionId);
  }

  /** The person's session with this id; another person's counts as missing. */
  require(owner: UserId, sessionId: SessionId): Session {
    const session = this.#sessions.get(sessionId);
    if (session?.owner === owner) return session;
    throw new CompanionError('SESSION_NOT_FOUND', 'There is no such session.', { field: 'sessionId' });
  }

  /**
   * The session of a directory, created if missing and if a child has room. Concurrent callers get the same one.
   * `requireMore`: called before a session is created, or returned that is closed; what it throws is the answer.
   */
  at(place: Place, { owner, requireMore }: Opener): Promise<{ session: Session; created: boolean }> {
    return this.#opening.run(async () => {
      const known = await this.#findAt(place);
      if (known && known.owner !== owner) throw usedByAnother();
      this.#requireStaying();
      await this.#requireRoomFor(known);
      if (!known || known.state.record.closed) requireMore();
      if (known && this.hasEnded(known)) this.#options.publisher.opened({ sessionId: known.id, owner });
      if (known) return { session: known, created: false };
      await this.#options.requireNewSession(owner);
      const session = this.#create(newSession({ place, owner, now: this.#options.now() }));
      this.#options.publisher.opened({ sessionId: session.id, owner });
      return { session, created: true };
    });
  }

  /** A session that a program begins in a new folder of the daemon's, if a child has room. Followers are not told. */
  async ofProgram(place: Place, owner: UserId): Promise<Session> {
    this.#requireStaying();
    await this.#options.requireRoom();
    const stored = newSession({ place, owner, now: this.#options.now() });
    return this.#create({ ...stored, record: { ...stored.record, ofProgram: true } });
  }

  async #requireRoomFor(known: Session | undefined): Promise<void> {
    if (!known?.hasChild) await this.#options.requireRoom();
  }

  #create(stored: StoredSession): Session {
    const session = this.#add(stored);
    try {
      session.create();
    } catch (error) {
      this.#sessions.delete(session.id);
      throw error;
    }
    return session;
  }

  /**
   * A slot for a child outside any session, in the same queue: resolves with the function that releases it. Rejects
   * with the reason of `signal` if that comes first.
   */
  async takeSlot(
    id: string,
    { signal, idle }: { signal: AbortSignal; idle?: Pick<SlotHolder, 'idleMs' | 'hibernate'> | undefined },
  ): Promise<() => void> {
    this.#requireStaying();
    const leave = await this.#slots.enter({ id: id as SessionId, since: this.#options.now(), signal });
    if (!idle) return leave;
    const holder = outsideHolder(id as SessionId, idle);
    this.#outside.add(holder);
    return () => {
      this.#outside.delete(holder);
      leave();
    };
  }

  /** Whether another child can be started at once. */
  get hasFreeSlot(): boolean {
    return !this.#isEnding && this.#slots.isFree;
  }

  /** Detaches from all children, which keep running. Returns their number. */
  async release(): Promise<number> {
    this.#slots.close();
    await Promise.all(this.all().map((session) => session.release()));
    return this.all().filter((session) => session.pid !== undefined).length;
  }

  /** Ends all children. The next daemon detects what could not be recorded. */
  async endChildren(): Promise<void> {
    const { log } = this.#options;
    this.#isEnding = true;
    const ended = await Promise.allSettled(this.all().map((session) => session.endChild()));
    for (const result of ended) {
      if (result.status === 'rejected') log.warn('a child cannot be ended', { error: String(result.reason) });
    }
  }

  #requireStaying(): void {
    if (this.#isEnding) throw new CompanionError('CAPACITY', 'The daemon is stopping with all its Claude CLIs.');
  }

  /**
   * The session whose child works in the directory, whatever its earlier name; else the one with its path, else the one
   * with its identity under another path. A system reuses the identity of a removed directory, so without a child it
   * counts only if the session's own path still leads there.
   */
  async #findAt({ path, key }: Place): Promise<Session | undefined> {
    const concerned = this.all().filter(
      ({ state: { record } }) => record.directory === path || record.directoryKey === key,
    );
    const held = await this.#findByChild(concerned, { path, key });
    if (held) return held;
    const samePath = concerned.find(({ state }) => state.record.directory === path);
    if (samePath) {
      const place = await samePath.childDirectory();
      // Its child works in a removed directory that was replaced by another.
      if (place && place.path === undefined) await samePath.slotHolder.hibernate();
      return samePath;
    }
    for (const session of concerned) {
      if ((await this.#options.identify(session.state.record.directory)) === key) return session;
    }
    return undefined;
  }

  /** A session follows its child: if its directory was renamed, the session takes the new name in place of the old. */
  async #findByChild(sessions: readonly Session[], { path, key }: Place): Promise<Session | undefined> {
    const { identify } = this.#options;
    let found: Session | undefined;
    for (const session of sessions) {
      const place = await session.childDirectory();
      if (place?.path === undefined) continue;
      const { directory } = session.state.record;
      const isHere = (await identify(place.handle)) === key;
      if (isHere) found = session;
      const hasMoved = (await identify(directory)) !== (isHere ? key : await identify(place.handle));
      if (hasMoved) await session.amend({ directory: isHere ? path : place.path });
    }
    return found;
  }

  #add(stored: StoredSession): Session {
    const onForget = (session: Session) => void this.#forget(session);
    const launcher = this.#options.launchers.of(stored.record.owner);
    const session = new Session({
      ...this.#options,
      launcher,
      stored,
      slots: this.#slots,
      waiting: this.#waiting,
      onForget,
    });
    this.#sessions.set(session.id, session);
    return session;
  }

  async #forget(session: Session): Promise<void> {
    const { id, owner } = session;
    const { journal, launchers, publisher, pushes, budgets, snapshots, trash, removeFolder, log, onForgotten } =
      this.#options;
    const { ofProgram, directory } = session.state.record;
    this.#sessions.delete(id);
    this.#leaving.set(id, session);
    try {
      await publisher.forgotten(id);
      // Before the record: while that is there, the next daemon tries again.
      await trash.forget(id);
      await journal.forget(id);
      pushes.forgotten(id);
      budgets.forgotten({ owner, sessionId: id });
      snapshots.forget(id);
      await launchers.of(owner).discard(id);
      if (ofProgram) await removeFolder(directory);
    } catch (error) {
      log.error('a purged session cannot be removed from the journal', {
        sessionId: id,
        error: (error as Error).message,
      });
    }
    this.#leaving.delete(id);
    onForgotten(owner);
  }
}

const usedByAnother = () =>
  new CompanionError('CONFLICT', 'A session of another person uses this directory.', { field: 'workingDirectory' });

const outsideHolder = (id: SessionId, idle: Pick<SlotHolder, 'idleMs' | 'hibernate'>): SlotHolder => ({
  id,
  turnMs: undefined,
  get idleMs() {
    return idle.idleMs;
  },
  hibernate: () => idle.hibernate(),
});

function newSession({ place, owner, now }: { place: Place; owner: UserId; now: number }): StoredSession {
  const record = {
    sessionId: newId() as SessionId,
    owner,
    directory: place.path,
    directoryKey: place.key,
    messageCount: 0,
    totalCost: 0,
    createdAt: now,
    updatedAt: now,
    lastActivity: now,
  };
  return { record, head: 0, prompts: [], permissions: [] };
}

/** Messages in the snapshot that replaces removed events. */
const SNAPSHOT_MESSAGES = 50;

/** Sessions as seen by delivery. */
export function createSessionSource(registry: SessionRegistry, journal: Journal): SessionSource {
  const source: SessionSource = {
    head: (owner, sessionId) => {
      const session = registry.find(sessionId);
      return session?.owner === owner ? session.publishedHead : undefined;
    },
    owned: (owner) => registry.owned(owner).flatMap((session) => (registry.hasEnded(session) ? [] : [session.id])),
    openBlocks: (sessionId) => registry.followed(sessionId)?.openBlocks() ?? [],
    openPermissions: (sessionId) => {
      const session = registry.followed(sessionId);
      return session ? openPermissions(session.state).map(permissionRequestOf) : [];
    },
    tasks: (sessionId) => {
      const session = registry.followed(sessionId);
      return session && tasksOf(session.state);
    },
    snapshot: async (sessionId) => {
      const session = registry.followed(sessionId);
      if (!session) throw new Error(`no session ${sessionId}`);
      const messages = newestPage(await journal.readNewestMessages(sessionId, SNAPSHOT_MESSAGES));
      return { status: sessionStatusOf(session.state), messages, permissions: source.openPermissions(sessionId) };
    },
  };
  return source;
}
