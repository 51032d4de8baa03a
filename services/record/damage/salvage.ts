/** Makes a new journal from the intact parts of a damaged one, which is set aside. */
import {
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { OWN_FILE } from '../../../disk/own-file.js';
import { isScarcity } from '../../../protocol/failures.js';
import type { Log } from '../../ports/log.js';
import type { SessionRecord } from '../../ports/records.js';
import {
  createRowCheck,
  type Row,
  type RowCheck,
  rowCheckOf,
  SUMMED_COLUMNS,
  TABLES_OF_A_SESSION,
  type TableName,
  withSum,
} from '../sqlite/row-sums.js';
import type { EventRow, PermissionRow, SessionRow } from '../sqlite/rows.js';
import { openDatabase } from '../sqlite/schema.js';
import { connectToDamaged, type SqliteDatabase } from '../sqlite/sqlite-database.js';
import type { JournalDamaged } from './damage-guard.js';
import { cancelQueued, countCommits, type Mark, markPath, readMark } from './epoch.js';

/** The journal is damaged and cannot be replaced. */
export class JournalUnusableError extends Error {}

export interface SalvageOptions {
  path: string;
  log: Log;
  damage: JournalDamaged;
}

/** Damaged journals kept for inspection. */
const KEPT_DAMAGED = 2;
const PAGE_BYTES = 4096;
/** The files of a database; the last one is recreated whenever it is missing. */
const SUFFIXES = ['', '-wal', '-shm'];

/**
 * Reads everything readable from the journal at this path and puts a new one in its place, without an epoch. Takes as
 * long as reading the whole file. Throws `JournalUnusableError` when the disk refuses it.
 */
export function salvage({ path, log, damage }: SalvageOptions): void {
  log.error('the journal is damaged', { reason: damage.message });
  try {
    const found = rebuild(path, (fresh) => salvageInto(fresh, path));
    log.error('the journal was rebuilt from what is whole of it', { ...found, aside: putInPlace(path) });
  } catch (error) {
    const reason = (error as Error).message;
    throw new JournalUnusableError(`${path} is damaged and cannot be rebuilt (${reason}). The file is unchanged`);
  }
}

interface RescueOptions {
  path: string;
  log: Log;
  /** Open on files that its path no longer leads to. */
  database: SqliteDatabase;
  reason: string;
}

/**
 * Writes what an open connection still reaches into a new journal at its path; whatever is there now is set aside.
 * Nothing is in doubt, so nothing is cancelled. Throws `JournalUnusableError` when the disk refuses it.
 */
export function rescue({ path, log, database, reason }: RescueOptions): void {
  log.error('the journal is not where it was written', { reason });
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const found = rebuild(path, (fresh) => ({ ...copyRows(database, fresh), ...settleSessions(fresh) }));
    log.error('the journal was written again', { ...found, aside: putInPlace(path) });
  } catch (error) {
    throw new JournalUnusableError(`${path}: ${reason}, and it cannot be rewritten (${(error as Error).message})`);
  }
}

function putInPlace(path: string): string | undefined {
  syncFile(`${path}.salvaging`);
  renameSync(`${path}.salvaging`, `${path}.salvaged`);
  return finishSwap(path);
}

function rebuild(path: string, fillIn: (fresh: SqliteDatabase) => Record<string, number>): Record<string, number> {
  const unfinished = `${path}.salvaging`;
  remove(unfinished);
  const fresh = openDatabase(unfinished);
  // The new file counts only when complete, so its own journal is useless and costs the space of another copy.
  fresh.pragma('journal_mode = MEMORY');
  fresh.pragma('synchronous = OFF');
  try {
    return fillIn(fresh);
  } finally {
    fresh.close();
  }
}

function salvageInto(fresh: SqliteDatabase, path: string): Record<string, number> {
  const source = openSource(path);
  try {
    return fill(fresh, source, readMark(markPath(path)));
  } finally {
    source?.close();
  }
}

function fill(fresh: SqliteDatabase, source: SqliteDatabase | undefined, mark: Mark | undefined) {
  const copied = source ? copyRows(source, fresh) : {};
  const isCut = mark === undefined || mark.commits > countCommits(fresh);
  const cancelled = isCut ? cancelQueued(fresh, Date.now()) : 0;
  return { ...copied, ...settleSessions(fresh), cancelled };
}

const CLOSED_TO_US = new Set<unknown>(['EACCES', 'EPERM', 'EROFS']);

/** Undefined when nothing is readable. Throws when the cause is not the file's content. */
function openSource(path: string): SqliteDatabase | undefined {
  try {
    mendHeader(path);
    return connectToDamaged(path);
  } catch (error) {
    if (isScarcity(error) || CLOSED_TO_US.has((error as NodeJS.ErrnoException).code)) throw error;
    return undefined;
  }
}

/** Header bytes common to all our journals (sqlite.org/fileformat2.html#the_database_header). */
const HEADER_CONSTANTS: [offset: number, bytes: Buffer][] = [
  [0, Buffer.from('SQLite format 3\0\x10\0\x02\x02\0\x40\x20\x20', 'latin1')],
  [44, Buffer.from([0, 0, 0, 4])],
  [56, Buffer.from([0, 0, 0, 1])],
];

/** A wrong byte there would make the whole file unreadable. */
function mendHeader(path: string): void {
  const file = openSync(path, 'r+');
  try {
    if (fstatSync(file).size < PAGE_BYTES) return;
    for (const [offset, bytes] of HEADER_CONSTANTS) writeSync(file, bytes, 0, bytes.length, offset);
  } finally {
    closeSync(file);
  }
}

function syncFile(path: string): void {
  const file = openSync(path, 'r');
  fsyncSync(file);
  closeSync(file);
}

/**
 * Puts a complete new journal in place of the existing one, and also finishes an interrupted swap. Returns the new path
 * of the damaged one.
 */
export function finishSwap(path: string): string | undefined {
  const finished = `${path}.salvaged`;
  if (!existsSync(finished)) return undefined;
  const aside = `${path}.damaged-${new Date().toISOString().replaceAll(':', '-')}`;
  for (const suffix of SUFFIXES) {
    if (!existsSync(path + suffix)) continue;
    chmodSync(path + suffix, OWN_FILE);
    renameSync(path + suffix, aside + suffix);
  }
  renameSync(finished, path);
  removeOldest(path);
  return aside;
}

function removeOldest(path: string): void {
  const folder = dirname(path);
  const damaged = readdirSync(folder)
    .filter((name) => name.startsWith(`${basename(path)}.damaged-`) && name.endsWith('Z'))
    .sort();
  for (const name of damaged.slice(0, -KEPT_DAMAGED)) remove(join(folder, name));
}

const remove = (path: string): void => {
  for (const suffix of SUFFIXES) rmSync(path + suffix, { force: true });
};

/** Tables with their order; the rowid is copied too, since prompts are taken in its order. */
const TABLES: Partial<Record<TableName, string>> = {
  sessions: 'session_id',
  events: 'rowid',
  prompts: 'rowid',
  permissions: 'rowid',
  subscriptions: 'user_id, device_id',
  cursors: 'user_id, device_id, session_id',
  pushes: 'rowid',
  answers: 'user_id, command, key',
  usage: 'user_id, day, session_id, model',
  file_accesses: 'session_id, seq, place',
  schedules: 'rowid',
  hooks: 'rowid',
  webhooks: 'rowid',
  webhook_deliveries: 'rowid',
  schedule_runs: 'schedule_id, due_at',
  budgets: 'rowid',
  budget_marks: 'budget_id, session_id',
  other_usage: 'user_id, day',
};

/** Copies every intact row. Returns the numbers of copied rows per table and of skipped rows. */
function copyRows(source: SqliteDatabase, fresh: SqliteDatabase): Record<string, number> {
  const check = checkOf(source);
  const counts: Record<string, number> = { refused: 0 };
  fresh.transaction(() => {
    for (const [table, order] of Object.entries(TABLES) as [TableName, string][]) {
      const insert = prepareInsert(fresh, { table, withRowid: order === 'rowid' });
      let kept = 0;
      for (const row of readableRows(source, table, order)) {
        if (isWhole(check, table, row)) kept += insert(row);
        else counts.refused = (counts.refused ?? 0) + 1;
      }
      counts[table] = kept;
    }
    // Nothing can be shown of a lost session.
    for (const table of ['events', ...TABLES_OF_A_SESSION]) {
      fresh.prepare(`DELETE FROM ${table} WHERE session_id NOT IN (SELECT session_id FROM sessions)`).run();
    }
  })();
  return counts;
}

function checkOf(source: SqliteDatabase): RowCheck {
  try {
    return rowCheckOf(source);
  } catch {
    // When even this is unreadable, checksums are required.
    return createRowCheck({ unsummed: false });
  }
}

/** Reads forward up to the unreadable part, then backward from the end. */
function* readableRows(source: SqliteDatabase, table: TableName, order: string): Generator<Row> {
  const columns = order === 'rowid' ? 'rowid, *' : '*';
  const descending = order.replaceAll(/\w+/g, '$& DESC');
  for (const direction of [order, descending]) {
    try {
      yield* source.prepare<[], Row>(`SELECT ${columns} FROM ${table} ORDER BY ${direction}`).iterate();
      return;
    } catch {
      // Whatever the error: there can be rows behind it.
    }
  }
}

const COLUMNS_WITH_JSON = [
  'record',
  'data',
  'blob',
  'attachments',
  'allowed_tools',
  'via',
  'answer',
  'outcome',
  'ask',
  'about',
  'actions',
  'history',
];

function isWhole(check: RowCheck, table: TableName, row: Row): boolean {
  try {
    check(table, row);
    for (const column of COLUMNS_WITH_JSON) if (typeof row[column] === 'string') JSON.parse(row[column]);
    return true;
  } catch {
    // Whatever the fault: a damaged row is skipped and counted.
    return false;
  }
}

/** Returns the number of rows added: 0 when the place is taken. */
function prepareInsert(fresh: SqliteDatabase, { table, withRowid }: { table: TableName; withRowid: boolean }) {
  const columns = [...(withRowid ? ['rowid'] : []), ...SUMMED_COLUMNS[table], 'sum'];
  const values = columns.map((column) => `@${column}`).join(', ');
  const insert = fresh.prepare(`INSERT OR IGNORE INTO ${table} (${columns.join(', ')}) VALUES (${values})`);
  const absent = Object.fromEntries(columns.map((column) => [column, null]));
  return (row: Row): number => insert.run({ ...absent, ...withSum(table, row) }).changes;
}

type Place = Pick<EventRow, 'seq' | 'child_id' | 'line_offset'> & { rowid: number };

/** Makes each session end at its last event after a loss. Returns the number of lost events. */
function settleSessions(fresh: SqliteDatabase): { lostEvents: number; readAgain: number } {
  const sessions = fresh.prepare<[], SessionRow>('SELECT * FROM sessions').all();
  const found = { lostEvents: 0, readAgain: 0 };
  fresh.transaction(() => {
    for (const row of sessions) {
      const lost = settleSession(fresh, row);
      found.lostEvents += lost.events;
      found.readAgain += Number(lost.readAgain);
    }
  })();
  return found;
}

function settleSession(fresh: SqliteDatabase, row: SessionRow): { events: number; readAgain: boolean } {
  const first = row.first ?? 1;
  const places = placesOf(fresh, row.session_id).filter(({ seq }) => seq >= first);
  const events = row.head - first + 1 - places.length;
  if (events === 0 && places.at(-1)?.seq === row.head) return { events, readAgain: false };
  const record = JSON.parse(row.record) as SessionRecord;
  const from = readAgainFrom(fresh, { row, record, places });
  if (from !== undefined && record.child) {
    const { childId } = record.child;
    fresh.prepare('DELETE FROM events WHERE child_id = ? AND line_offset >= ?').run(childId, from);
    keepDecisions(fresh, row.session_id, childId);
    record.child = { ...record.child, processed: from, resume: 0 };
  }
  const head = closeRanks(fresh, row.session_id);
  fresh
    .prepare(
      'UPDATE sessions SET head = @head, record = @record, first = @first, sum = @sum WHERE session_id = @session_id',
    )
    .run(withSum('sessions', { ...row, head, first: 1, record: JSON.stringify(record) }));
  return { events, readAgain: from !== undefined };
}

const placesOf = (fresh: SqliteDatabase, sessionId: string): Place[] =>
  fresh
    .prepare<[string], Place>('SELECT rowid, seq, child_id, line_offset FROM events WHERE session_id = ? ORDER BY seq')
    .all(sessionId);

interface LossOptions {
  row: SessionRow;
  record: SessionRecord;
  places: readonly Place[];
}

/**
 * The last output of a running child can be among the lost events, but its output file still has it. Returns the offset
 * of its last line with a kept event: output is read again from there, including that line, which can have had more
 * events. Undefined when rereading would do harm: when nothing after that line is lost, or when a line from before an
 * open prompt would be reread, since its end could be mistaken for the end of that prompt.
 */
function readAgainFrom(fresh: SqliteDatabase, { row, record, places }: LossOptions): number | undefined {
  const { child, sessionId } = record;
  if (!child) return undefined;
  const last = places.findLast(({ child_id }) => child_id === child.childId);
  const seq = last?.seq ?? 0;
  const keptBehind = places.filter((place) => place.seq > seq).length;
  if (row.head - seq === keptBehind) return undefined;
  const open = fresh
    .prepare<[{ sessionId: string; seq: number }], { state: string; announced: number }>(
      `SELECT state, EXISTS (SELECT 1 FROM events e WHERE e.session_id = p.session_id AND e.message_id = p.uuid
         AND e.seq < @seq) AS announced
       FROM prompts p WHERE session_id = @sessionId AND state IN ('queued', 'dispatching', 'processing')`,
    )
    .all({ sessionId, seq });
  const given = open.filter(({ state }) => state !== 'queued');
  const isSafe = open.length === 0 || (given.length > 0 && given.every(({ announced }) => announced === 1));
  return isSafe ? (last?.line_offset ?? 0) : undefined;
}

/**
 * Rereading lines must not ask decided requests again: they count as decided but unread until a reread line shows that
 * the child has read them.
 */
function keepDecisions(fresh: SqliteDatabase, sessionId: string, childId: string): void {
  const decided = fresh
    .prepare<[string, string], PermissionRow>(
      `SELECT * FROM permissions WHERE session_id = ? AND child_id = ? AND decision IS NOT NULL AND answer IS NULL`,
    )
    .all(sessionId, childId);
  const write = fresh.prepare(
    `UPDATE permissions SET answer = @answer, sum = @sum
     WHERE session_id = @session_id AND permission_id = @permission_id`,
  );
  for (const row of decided) write.run(withSum('permissions', { ...row, answer: '{}' }));
}

/** Renumbers the events without gaps: under the new epoch nothing refers to the old numbers. Returns the last. */
function closeRanks(fresh: SqliteDatabase, sessionId: string): number {
  const read = fresh.prepare<[number], EventRow>('SELECT * FROM events WHERE rowid = ?');
  const write = fresh.prepare(
    'UPDATE events SET seq = @seq, bytes_before = @bytes_before, sum = @sum WHERE rowid = @rowid',
  );
  let seq = 0;
  let bytes = 0;
  for (const { rowid } of placesOf(fresh, sessionId)) {
    const row = read.get(rowid);
    if (!row) continue;
    seq += 1;
    write.run({ ...withSum('events', { ...row, seq, bytes_before: bytes }), rowid });
    bytes += Buffer.byteLength(row.data);
  }
  return seq;
}
