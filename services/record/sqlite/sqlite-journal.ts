import type { SessionId } from '../../../protocol/scalars.js';
import type { BlobStore } from '../../ports/blobs.js';
import type { Journal } from '../../ports/journal.js';
import { DamageGuard } from '../damage/damage-guard.js';
import { beginEpoch, countCommits, MarkFile, markPath, readFileIdentity, readMark } from '../damage/epoch.js';
import type { HeldFile } from '../damage/held-file.js';
import { keepContents, openBlobFiles, readContents } from '../files/blobs.js';
import { createJournalFiles } from '../files/journal-files.js';
import { createEventLog } from './event-log.js';
import { type Extent, Extents } from './extents.js';
import { createFileAccessStore } from './file-accesses.js';
import { createMessageStore } from './messages.js';
import { rowCheckOf } from './row-sums.js';
import { createRequestLookup, createSessionStore } from './session-store.js';
import type { SqliteDatabase } from './sqlite-database.js';
import { createUsageReader } from './usage.js';

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
  const { blobs = openBlobFiles(database.name), onDetached = () => {}, onGrown = () => {} } = options;
  const path = markPath(database.name);
  const epoch = beginEpoch(database, { bootId, mark: readMark(path), file: readFileIdentity(database.name) });
  const mark = new MarkFile(path, { epoch, commits: countCommits(database) });
  const sources = { database, extents, guard, check: rowCheckOf(database) };
  return {
    epoch,
    blobs,
    keepContents: (contents) => keepContents(blobs, contents),
    readContents: (kept) => readContents(blobs, kept),
    ...createSessionStore({ ...sources, blobs, mark, onGrown }),
    ...createEventLog(sources),
    ...createRequestLookup(sources),
    ...createMessageStore(sources),
    ...createUsageReader(sources),
    ...createFileAccessStore(sources),
    ...createJournalFiles({ database, guard, mark, onDetached }),
  };
}
