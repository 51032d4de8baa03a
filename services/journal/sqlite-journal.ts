import { setImmediate as turnOfOthers } from 'node:timers/promises';
import type { SessionId } from '../../protocol/scalars.js';
import type { BlobStore } from '../ports/blobs.js';
import type { Journal } from '../ports/journal.js';
import type { PushRecord } from '../ports/outbox.js';
import type { SessionChange } from '../ports/records.js';
import { openBlobFiles } from './blob-files.js';
import { DamageGuard } from './damage-guard.js';
import { beginEpoch, countCommits, readFileIdentity } from './epoch.js';
import { idsOf, keepWholes } from './event-blobs.js';
import { type Extent, Extents } from './extents.js';
import type { HeldFile } from './held-file.js';
import { createJournalFiles } from './journal-files.js';
import { createKnownContentReader } from './known-content-reader.js';
import { MarkFile, markPath, readMark } from './mark-file.js';
import { createMessageReader } from './message-reader.js';
import { openMeta, rowCheckOf } from './meta-rows.js';
import { prepareCommit } from './prepare-commit.js';
import { loadSessions, prepareReads } from './prepare-reads.js';
import { keepContents, readContents } from './prompt-contents.js';
import { prepareOrphanRemoval } from './retention.js';
import type { SqliteDatabase } from './sqlite-database.js';

export interface SqliteJournalOptions {
  database: SqliteDatabase;
  /** Identifies this boot of the operating system. */
  bootId: string;
  blobs?: BlobStore;
  /** Shared with the database's other users. */
  guard?: DamageGuard;
  extents?: Extents;
  /** Called before the connection is closed when the paths no longer lead to its files. */
  onDetached?: (held: HeldFile) => void;
  /** Called with a session's new extent. */
  onGrown?: (sessionId: SessionId, extent: Extent) => void;
}

export interface SqliteJournal extends Journal {
  /** Closes the journal cleanly, and its database. */
  close(): Promise<void>;
  /** Releases everything but the database, which is left as a killed process would leave it. */
  abandon(): Promise<void>;
}

export function createSqliteJournal(options: SqliteJournalOptions): SqliteJournal {
  const { database, bootId, guard = new DamageGuard(() => {}), extents = new Extents(database) } = options;
  const { blobs = openBlobFiles(database.name), onDetached = () => {} } = options;
  const path = markPath(database.name);
  const epoch = beginEpoch(database, { bootId, mark: readMark(path), file: readFileIdentity(database.name) });
  const mark = new MarkFile(path, { epoch, commits: countCommits(database) });
  const writes = prepareWrites({ ...options, extents }, mark);
  return {
    epoch,
    blobs,
    keepContents: (contents) => keepContents(blobs, contents),
    readContents: (kept) => readContents(blobs, kept),
    ...createJournalFiles({ database, guard, mark, onDetached }),
    commit: async (change, owed) => {
      const kept = await keepWholes(blobs, change);
      try {
        guard.write(() => writes.commit(kept, owed?.()));
      } catch (error) {
        void blobs.remove(idsOf(kept.events));
        throw error;
      }
      void blobs.remove(doneBodies(change));
    },
    forget: async (sessionId) => {
      guard.write(() => writes.forget(sessionId));
      for (let more = true; more; await turnOfOthers()) {
        const removed = guard.write(() => writes.forgetEvents(sessionId));
        void blobs.remove(removed.blobs);
        more = removed.more;
      }
    },
    ...openReads({ database, guard, extents }),
  };
}

type Reads = Pick<
  Journal,
  | 'loadSessions'
  | 'readEvents'
  | 'findEvent'
  | 'sizeOfEvent'
  | 'firstSeq'
  | 'findRequest'
  | 'findPrompt'
  | 'findPermission'
  | 'findTool'
  | 'isToolTaken'
  | 'isMessageTaken'
  | 'readMessages'
  | 'readNewestMessages'
  | 'findKnownContent'
>;

function openReads({
  database,
  guard,
  extents,
}: Required<Pick<SqliteJournalOptions, 'database' | 'guard' | 'extents'>>): Reads {
  const check = rowCheckOf(database);
  const reads = prepareReads({ database, extents, check });
  return {
    loadSessions: async () => guard.run(() => loadSessions(database, check)),
    readEvents: async (range) => guard.run(() => reads.readEvents(range)),
    findEvent: async (sessionId, seq) => guard.run(() => reads.findEvent(sessionId, seq)),
    sizeOfEvent: async (sessionId, seq) => guard.run(() => reads.sizeOfEvent(sessionId, seq)),
    firstSeq: async (sessionId) => guard.run(() => extents.of(sessionId).first),
    findRequest: async (device, requestId) => guard.run(() => reads.findRequest(device, requestId)),
    findPrompt: async (promptId) => guard.run(() => reads.findPrompt(promptId)),
    findPermission: async (sessionId, id) => guard.run(() => reads.findPermission(sessionId, id)),
    ...guardIds(guard, reads),
    ...createMessageReader({ database, check, guard, extents }),
    findKnownContent: createKnownContentReader({ database, check, guard }),
  };
}

type IdReads = Pick<SqliteJournal, 'findTool' | 'isToolTaken' | 'isMessageTaken'>;

/** Reads by the CLI's ids. */
const guardIds = (guard: DamageGuard, reads: ReturnType<typeof prepareReads>): IdReads => ({
  findTool: async (sessionId, foreignId) => guard.run(() => reads.findTool(sessionId, foreignId)),
  isToolTaken: async (sessionId, toolId) => guard.run(() => reads.isToolTaken(sessionId, toolId)),
  isMessageTaken: (sessionId, start) => guard.run(() => reads.isMessageTaken(sessionId, start)),
});

/** The bodies of ended prompts, which no row names any more. */
const doneBodies = ({ prompts }: SessionChange): string[] =>
  prompts.flatMap(({ body, endedAt }) => (body && endedAt !== undefined ? body.id : []));

/** Counts each write in the same transaction, then marks it. */
function prepareWrites({ database, extents, onGrown }: SqliteJournalOptions & { extents: Extents }, mark: MarkFile) {
  const write = prepareCommit(database, extents);
  const erase = prepareForget(database);
  let commits = countCommits(database);
  const counted = <T>(action: (commit: number) => T): T => {
    const result = action(commits + 1);
    commits += 1;
    mark.write(commits);
    return result;
  };
  return {
    commit: (change: SessionChange, pushes?: readonly PushRecord[]) => {
      const { sessionId } = change.record;
      const extent = counted((commit) => write(change, commit, pushes));
      extents.set(sessionId, extent);
      if (change.events.length > 0) onGrown?.(sessionId, extent);
    },
    forget: (sessionId: SessionId) => {
      counted((commit) => erase(sessionId, commit));
      extents.forget(sessionId);
    },
    /** Removes a batch; returns whether more can remain. Retention removes the leftovers in a later round. */
    forgetEvents: prepareOrphanRemoval(database),
  };
}

const SMALL_TABLES_OF_A_SESSION = ['prompts', 'permissions', 'cursors', 'pushes', 'indexed_sessions', 'sessions'];

function prepareForget(database: SqliteDatabase): (sessionId: SessionId, commit: number) => void {
  const meta = openMeta(database);
  return database.transaction((sessionId: SessionId, commit: number) => {
    meta.set('commits', String(commit));
    for (const table of SMALL_TABLES_OF_A_SESSION) {
      database.prepare(`DELETE FROM ${table} WHERE session_id = ?`).run(sessionId);
    }
  });
}
