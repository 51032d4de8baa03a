import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { MAX_INLINE_PROMPT_BYTES } from '../../protocol/limits.js';
import type { Attachment, SessionId } from '../../protocol/scalars.js';
import type { AnswerStore } from '../ports/answers.js';
import type { BlobRef } from '../ports/blobs.js';
import type { BudgetStore } from '../ports/budgets.js';
import type { CursorStore } from '../ports/cursors.js';
import type { HookStore } from '../ports/hooks.js';
import type { Log } from '../ports/log.js';
import type { OutboxStore } from '../ports/outbox.js';
import type { PromptContents } from '../ports/records.js';
import type { ScheduleStore } from '../ports/schedules.js';
import type { OutsideIndex, SearchIndex } from '../ports/search.js';
import type { WebhookStore } from '../ports/webhooks.js';
import { DamageGuard, damageAtOpening, JournalDamaged, storageError } from './damage/damage-guard.js';
import { cancelQueued, doubtOf, markPath, readFileIdentity, readMark } from './damage/epoch.js';
import { type HeldFile, JournalDetached } from './damage/held-file.js';
import { finishSwap, JournalUnusableError, rescue, salvage } from './damage/salvage.js';
import { type BlobFiles, openBlobFiles, splitContents } from './files/blobs.js';
import { Checkpointer } from './files/checkpointer.js';
import { isOfAnother } from './files/journal-files.js';
import { createRetention, type Retention, type RetentionOptions } from './retention/retention.js';
import { SearchThread } from './search/search-thread.js';
import { createSqliteAnswers } from './sqlite/answers.js';
import { SqliteBudgets } from './sqlite/budgets.js';
import { createSqliteCursors, repairCursors } from './sqlite/cursors.js';
import { type Extent, Extents } from './sqlite/extents.js';
import { createSqliteHooks } from './sqlite/hooks.js';
import { createSqliteOutbox } from './sqlite/outbox.js';
import { rowCheckOf, withSum } from './sqlite/row-sums.js';
import type { PromptRow } from './sqlite/rows.js';
import { createSqliteSchedules } from './sqlite/schedules.js';
import { openDatabase } from './sqlite/schema.js';
import { loadSessions } from './sqlite/session-store.js';
import type { SqliteDatabase } from './sqlite/sqlite-database.js';
import { createSqliteJournal, type SqliteJournal } from './sqlite/sqlite-journal.js';
import { createSqliteWebhooks } from './sqlite/webhooks.js';

export interface OpenJournalOptions {
  path: string;
  /** Identifies this boot of the operating system. */
  bootId: string;
  log: Log;
  /** Without it, nothing is removed. */
  retention?: Pick<RetentionOptions, 'limits' | 'now' | 'onExpired'>;
  /** The built `checkpoint-worker`; without it commits run the checkpoints, with occasional pauses. */
  checkpointScript?: string;
  /** The built `search-worker`; without it nothing is found. */
  searchScript?: string;
  /** Damage found while the journal was in use: the journal is salvaged before it is reopened. */
  damage?: JournalDamaged;
  /** Called once, at the first sign of damage. The journal is then inert and must be closed. */
  onDamage: (damage: JournalDamaged) => void;
}

export interface OpenedJournal {
  journal: SqliteJournal;
  cursors: CursorStore;
  outbox: OutboxStore;
  answers: AnswerStore;
  search: SearchIndex & OutsideIndex;
  schedules: ScheduleStore;
  budgets: BudgetStore;
  hooks: HookStore;
  webhooks: WebhookStore;
}

/**
 * Opens or creates the journal. A damaged one is salvaged: its intact part continues under a new epoch, the rest is set
 * aside. Throws `JournalUnusableError` when that fails.
 */
export function openJournal(options: OpenJournalOptions): OpenedJournal {
  const { path, log, damage } = options;
  finishSwap(path);
  // A detached journal was already rewritten by the connection that still reached it; another one is verified first.
  const isOther = damage instanceof JournalDetached || isOfAnother(damage);
  if (damage && !isOther) salvage({ path, log, damage });
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
    repairCursors(database);
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

/** The journal with its background tasks, which start only after the journal is open. */
function keep(options: KeepOptions): OpenedJournal {
  const { database, blobs, bootId, guard, extents, log, retention: kept, checkpointScript: script } = options;
  let retention: Retention | undefined;
  const search = createSearch(options);
  const conversationOf = database
    .prepare<[string], string | null>(`SELECT record ->> 'claudeSessionId' FROM sessions WHERE session_id = ?`)
    .pluck();
  const onGrown = (sessionId: SessionId, extent: Extent) => {
    retention?.onGrown(sessionId, extent);
    search?.onGrown();
  };
  const homeKey = folderKey(dirname(options.path));
  const onDetached = (held: HeldFile) => saveDetached({ ...options, homeKey }, held);
  const journal = createSqliteJournal({ database, blobs, bootId, guard, extents, onGrown, onDetached });
  // The guard holds the result: damage is repaired, and a refusal shows in the health.
  const looks = setInterval(() => void journal.probe().catch(() => {}), LOOK_MS).unref();
  const cursors = createSqliteCursors(database, guard);
  const onError = (error: unknown) => log.warn('a checkpoint failed', { error: String(error) });
  const checkpointer = script === undefined ? undefined : new Checkpointer({ database, script, onError });
  retention = kept && createRetention({ ...kept, database, blobs, extents, guard, log });
  const close = async () => {
    clearInterval(looks);
    await Promise.all([retention?.close(), checkpointer?.close(), search?.close()]);
    await journal.close();
  };
  const stores = {
    cursors,
    outbox: createSqliteOutbox(database, guard),
    answers: createSqliteAnswers(database, guard),
    search: search ?? WITHOUT_SEARCH,
    schedules: createSqliteSchedules(database, guard),
    budgets: new SqliteBudgets(database, guard),
    hooks: createSqliteHooks(database, guard),
    webhooks: createSqliteWebhooks(database, guard),
  };
  const forget = (sessionId: SessionId) => {
    const conversation = conversationOf.get(sessionId);
    if (conversation) search?.onForgetting(sessionId, conversation);
    return journal.forget(sessionId);
  };
  return { journal: { ...journal, close, forget }, ...stores };
}

function createSearch({ path, searchScript: script, guard, log }: KeepOptions): SearchThread | undefined {
  if (script === undefined) return undefined;
  const onDamage = (reason: string) => {
    try {
      guard.run(() => {
        throw new JournalDamaged(reason);
      });
    } catch {
      // The guard has told it; who searches gets the failure.
    }
  };
  return new SearchThread({ script, recordPath: path, indexPath: join(dirname(path), 'search.db'), log, onDamage });
}

const noThread = () => Promise.reject(new Error('the search has no thread'));

const WITHOUT_SEARCH: SearchIndex & OutsideIndex = {
  search: noThread,
  pendingOutside: noThread,
  addOutside: noThread,
};

/** How often to check, without any request, whether the journal was removed or a full disk accepts writes again. */
const LOOK_MS = 1000;

interface Detached extends KeepOptions {
  /** The folder of the journal when it was opened. */
  homeKey: string | undefined;
}

/** Another folder can have taken the place of one that was moved away. */
function folderKey(folder: string): string | undefined {
  const stats = statSync(folder, { bigint: true, throwIfNoEntry: false });
  return stats && `${stats.dev}:${stats.ino}`;
}

function saveDetached({ path, log, database, guard, homeKey }: Detached, held: HeldFile): void {
  const home = dirname(path);
  const isHomeless = folderKey(home) !== homeKey;
  if (isHomeless && held.isNamed) {
    throw new JournalUnusableError(
      `${home} was moved while the daemon used it. Move it back, or set COMPANION_HOME to its new path.`,
    );
  }
  rescue({ path, log, database, reason: guard.damage?.message ?? 'it is not there' });
  // The lock and the children's files were removed with the home.
  if (isHomeless) {
    throw new JournalUnusableError(
      `${home} was removed while the daemon used it. The daemon has written the sessions there again. Start it again.`,
    );
  }
}

/** A truncated or restored journal can still be consistent. If so, it is served under a new epoch. */
function settleDoubt(database: SqliteDatabase, { path, bootId, log }: OpenJournalOptions): void {
  const doubt = doubtOf(database, { bootId, mark: readMark(markPath(path)), file: readFileIdentity(path) });
  if (doubt === undefined) return;
  verifyWhole(database);
  const cancelled = cancelQueued(database, Date.now());
  log.error('the journal was cut, restored or exchanged: a new epoch begins', { doubt, cancelled });
}

/**
 * Moves the attachments and long texts of queued prompts out of rows written by an older version, one row at a time:
 * together they can exceed the memory. Returns the number moved.
 */
function moveInline(database: SqliteDatabase, blobs: BlobFiles): number {
  const check = rowCheckOf(database);
  const large = database
    .prepare<[], string>(
      `SELECT prompt_id FROM prompts WHERE state IN ('queued', 'dispatching', 'processing')
         AND (substr(attachments, 1, 1) = '[' OR attachments IS NULL AND octet_length(text) > ${MAX_INLINE_PROMPT_BYTES})`,
    )
    .pluck()
    .all();
  const read = database.prepare<[string], PromptRow>('SELECT * FROM prompts WHERE prompt_id = ?');
  const write = database.prepare(
    'UPDATE prompts SET text = @text, attachments = @attachments, sum = @sum WHERE prompt_id = @prompt_id',
  );
  for (const id of large) {
    const row = read.get(id);
    if (!row) continue;
    const { text, parts, shape } = splitContents(contentsOf(check('prompts', row)));
    const body = parts.length === 0 ? null : JSON.stringify({ ...blobs.writeSync(parts), ...shape });
    write.run(withSum('prompts', { ...row, text, attachments: body }));
  }
  return large.length;
}

function contentsOf({ text, attachments }: PromptRow): PromptContents {
  const inline = attachments === null ? [] : (JSON.parse(attachments) as Attachment[]);
  return { text, images: inline.map(({ mediaType, data }) => ({ mediaType, data: Buffer.from(data, 'latin1') })) };
}

/** The ids of all blobs named by a row of the journal. */
function namedBlobs(database: SqliteDatabase): Set<string> {
  const rows = database
    .prepare<[], string>(
      `SELECT attachments FROM prompts WHERE attachments IS NOT NULL
       UNION ALL SELECT blob FROM events INDEXED BY events_with_blob WHERE blob IS NOT NULL`,
    )
    .pluck();
  const named = new Set<string>();
  for (const row of rows.iterate()) named.add((JSON.parse(row) as BlobRef).id);
  return named;
}

/**
 * Tables whose indexes affect actions, not just output: a request id missing from its index would run its prompt twice.
 * Unlike `events` they are small (10 ms for 10,000 prompts).
 */
const DECIDING_TABLES = [
  'meta',
  'sessions',
  'prompts',
  'permissions',
  'subscriptions',
  'cursors',
  'pushes',
  'answers',
  'usage',
  'schedules',
  'schedule_runs',
  'budgets',
  'budget_marks',
  'other_usage',
  'hooks',
];

/** Tables without a secondary index: a row with an altered key would not be missed. */
const KEYED_TABLES = ['meta', 'subscriptions', 'cursors', 'budgets', 'budget_marks', 'other_usage'] as const;

/** Checks everything that startup reads and the end of each session, but not most of the events. */
function verifyStart(database: SqliteDatabase): void {
  for (const table of DECIDING_TABLES) requireIntact(database, table);
  const check = rowCheckOf(database);
  for (const table of KEYED_TABLES) {
    for (const row of database.prepare<[], object>(`SELECT * FROM ${table}`).iterate()) check(table, row);
  }
  // The pushes that are read at once.
  const open = database.prepare<[], object>(`SELECT * FROM pushes WHERE state IN ('owed', 'sending', 'accepted')`);
  for (const row of open.iterate()) check('pushes', row);
  const lastOf = database.prepare<[string], number | null>('SELECT MAX(seq) FROM events WHERE session_id = ?').pluck();
  for (const { record, head } of loadSessions(database, check)) {
    const last = lastOf.get(record.sessionId);
    if (last !== head && last !== null) throw new JournalDamaged('a session does not end where it is said to end');
  }
}

/** Checks every page and the order of all events: 2 s for a gigabyte. */
function verifyWhole(database: SqliteDatabase): void {
  requireIntact(database);
  const ranges = database
    .prepare<[], { first: number; last: number; count: number }>(
      `SELECT MIN(seq) AS first, MAX(seq) AS last, COUNT(*) AS count FROM events JOIN sessions USING (session_id)
       WHERE seq >= COALESCE(first, 1) GROUP BY session_id`,
    )
    .all();
  if (ranges.some(({ first, last, count }) => last - first + 1 !== count)) {
    throw new JournalDamaged('events are missing');
  }
}

function requireIntact(database: SqliteDatabase, table?: string): void {
  const pragma = table === undefined ? 'integrity_check(1)' : `integrity_check(${table})`;
  if (database.pragma(pragma, { simple: true }) === 'ok') return;
  throw new JournalDamaged(`the pages or indexes of ${table ?? 'a table'} do not fit together`);
}
