import { existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { SessionId } from '../../protocol/scalars.js';
import type { CursorStore } from '../ports/journal.js';
import type { Log } from '../ports/log.js';
import type { OutboxStore } from '../ports/outbox.js';
import { type BlobFiles, openBlobFiles } from './blob-files.js';
import { cancelQueued } from './cancel-queued.js';
import { Checkpointer } from './checkpointer.js';
import { createRetention, type Retention, type RetentionOptions } from './create-retention.js';
import { DamageGuard } from './damage-guard.js';
import { doubtOf, readFileIdentity } from './epoch.js';
import { type Extent, Extents } from './extents.js';
import { type HeldFile, JournalDetached } from './held-file.js';
import { JournalDamaged } from './journal-damaged.js';
import { markPath, readMark } from './mark-file.js';
import { moveInline } from './move-inline.js';
import { namedBlobs } from './named-blobs.js';
import { openDatabase } from './open-database.js';
import { finishSwap, JournalUnusableError, rescue, salvage } from './salvage.js';
import { createSqliteCursors } from './sqlite-cursors.js';
import { damageAtOpening, type SqliteDatabase, storageError } from './sqlite-database.js';
import { createSqliteJournal, type SqliteJournal } from './sqlite-journal.js';
import { createSqliteOutbox } from './sqlite-outbox.js';
import { verifyStart, verifyWhole } from './verify-journal.js';

export interface OpenJournalOptions {
  path: string;
  /** Names this run of the operating system. */
  bootId: string;
  log: Log;
  /** Without it, everything is kept. */
  retention?: Pick<RetentionOptions, 'limits' | 'now' | 'onExpired'>;
  /** The built `checkpoint-worker`; without it commits do its work, with a pause now and then. */
  checkpointScript?: string;
  /** What was found while the journal was in use: it is salvaged before it is opened again. */
  damage?: JournalDamaged;
  /** Called once, at the first sign of damage. The journal has to be closed then; it does nothing any more. */
  onDamage: (damage: JournalDamaged) => void;
}

export interface OpenedJournal {
  journal: SqliteJournal;
  cursors: CursorStore;
  outbox: OutboxStore;
}

/**
 * Opens the journal, or makes one. One that is damaged is salvaged: what of it is whole goes on under a new epoch, the
 * rest is put aside. Throws `JournalUnusableError` when that cannot be done.
 */
export function openJournal(options: OpenJournalOptions): OpenedJournal {
  const { path, log, damage } = options;
  finishSwap(path);
  // What was detached has been written anew already, by the connection that still reached it.
  if (damage && !(damage instanceof JournalDetached)) salvage({ path, log, damage });
  try {
    return openVerified(options);
  } catch (error) {
    const found = damageAtOpening(error, path);
    if (!(found instanceof JournalDamaged)) throw storageError(found);
    salvage({ path, log, damage: found });
    return openVerified(options);
  }
}

function openVerified(options: OpenJournalOptions): OpenedJournal {
  const { path, onDamage } = options;
  const isEmpty = !existsSync(path) || statSync(path).size === 0;
  const database = openDatabase(path);
  try {
    const blobs = openBlobFiles(path);
    moveInline(database, blobs);
    verifyStart(database);
    if (isEmpty && readMark(markPath(path))) options.log.error('the journal is gone: another one is begun', { path });
    settleDoubt(database, options);
    const guard = new DamageGuard(onDamage);
    blobs.sweep(namedBlobs(database));
    return keep({ ...options, database, blobs, guard, extents: new Extents(database) });
  } catch (error) {
    database.close();
    throw error;
  }
}

interface KeepOptions extends OpenJournalOptions {
  database: SqliteDatabase;
  blobs: BlobFiles;
  guard: DamageGuard;
  extents: Extents;
}

/** The journal with what works on it by itself: nothing of that is begun before the journal stands. */
function keep(options: KeepOptions): OpenedJournal {
  const { database, blobs, bootId, guard, extents, log, retention: kept, checkpointScript: script } = options;
  let retention: Retention | undefined;
  const onGrown = (sessionId: SessionId, extent: Extent) => retention?.onGrown(sessionId, extent);
  const onDetached = (held: HeldFile) => saveDetached(options, held);
  const journal = createSqliteJournal({ database, blobs, bootId, guard, extents, onGrown, onDetached });
  // What it finds is in the guard: damage is mended, and a refusal shows in the health.
  const looks = setInterval(() => void journal.probe().catch(() => {}), LOOK_MS).unref();
  const cursors = createSqliteCursors(database, guard);
  const onError = (error: unknown) => log.warn('a checkpoint failed', { error: String(error) });
  const checkpointer = script === undefined ? undefined : new Checkpointer({ database, script, onError });
  retention = kept && createRetention({ ...kept, database, blobs, extents, guard, log });
  const close = async () => {
    clearInterval(looks);
    await Promise.all([retention?.close(), checkpointer?.close()]);
    await journal.close();
  };
  return { journal: { ...journal, close }, cursors, outbox: createSqliteOutbox(database, guard) };
}

/** How soon it is noticed that the journal was removed, or that a full disk takes writes again, when nobody asks for anything. */
const LOOK_MS = 1000;

function saveDetached({ path, log, database, guard }: KeepOptions, held: HeldFile): void {
  const home = dirname(path);
  const isHomeless = !existsSync(home);
  if (isHomeless && held.isNamed) {
    throw new JournalUnusableError(
      `${home} was moved while the daemon used it. Move it back, or set COMPANION_HOME to its new path.`,
    );
  }
  rescue({ path, log, database, reason: guard.damage?.message ?? 'it is not there' });
  // The lock, and the files of the children, went with the home.
  if (isHomeless) {
    throw new JournalUnusableError(
      `${home} was removed while the daemon used it. The daemon has written the sessions there again. Start it again.`,
    );
  }
}

/** A journal that was cut or restored may still be one in itself. If so it is served, under a new epoch. */
function settleDoubt(database: SqliteDatabase, { path, bootId, log }: OpenJournalOptions): void {
  const doubt = doubtOf(database, { bootId, mark: readMark(markPath(path)), file: readFileIdentity(path) });
  if (doubt === undefined) return;
  verifyWhole(database);
  const cancelled = cancelQueued(database, Date.now());
  log.error('the journal was cut, restored or exchanged: a new epoch begins', { doubt, cancelled });
}
