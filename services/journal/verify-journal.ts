/** What is looked at before a journal is served. A journal that does not stand it throws `JournalDamaged`. */
import { JournalDamaged } from './journal-damaged.js';
import { rowCheckOf } from './meta-rows.js';
import { loadSessions } from './prepare-reads.js';
import type { SqliteDatabase } from './sqlite-database.js';

/**
 * Tables whose indexes decide what is done, and not only what is shown: a request id that is not found would run its
 * prompt twice. Unlike `events` they are small (10 ms for 10,000 prompts).
 */
const DECIDING_TABLES = ['meta', 'sessions', 'prompts', 'permissions', 'subscriptions', 'cursors', 'pushes'];

/** Rows without an index beside them: one whose key was altered would not be missed. */
const KEYED_TABLES = ['meta', 'subscriptions', 'cursors'] as const;

/** Looks at everything that the start reads, and at where each session ends; not at the bulk of the events. */
export function verifyStart(database: SqliteDatabase): void {
  for (const table of DECIDING_TABLES) requireIntact(database, table);
  const check = rowCheckOf(database);
  for (const table of KEYED_TABLES) {
    for (const row of database.prepare<[], object>(`SELECT * FROM ${table}`).iterate()) check(table, row);
  }
  // Those that are read at once.
  const open = database.prepare<[], object>(`SELECT * FROM pushes WHERE state IN ('owed', 'sending', 'accepted')`);
  for (const row of open.iterate()) check('pushes', row);
  const lastOf = database.prepare<[string], number | null>('SELECT MAX(seq) FROM events WHERE session_id = ?').pluck();
  for (const { record, head } of loadSessions(database, check)) {
    const last = lastOf.get(record.sessionId);
    if (last !== head && last !== null) throw new JournalDamaged('a session does not end where it is said to end');
  }
}

/** Looks at every page and every place in the order of events: 2 s for a gigabyte. */
export function verifyWhole(database: SqliteDatabase): void {
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
