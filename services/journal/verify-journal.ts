/** Checks made before a journal is served. A journal that fails them throws `JournalDamaged`. */
import { JournalDamaged } from './journal-damaged.js';
import { rowCheckOf } from './meta-rows.js';
import { loadSessions } from './prepare-reads.js';
import type { SqliteDatabase } from './sqlite-database.js';

/**
 * Tables whose indexes affect actions, not just output: a request id missing from its index would run its prompt twice.
 * Unlike `events` they are small (10 ms for 10,000 prompts).
 */
const DECIDING_TABLES = ['meta', 'sessions', 'prompts', 'permissions', 'subscriptions', 'cursors', 'pushes'];

/** Tables without a secondary index: a row with an altered key would not be missed. */
const KEYED_TABLES = ['meta', 'subscriptions', 'cursors'] as const;

/** Checks everything that startup reads and the end of each session, but not most of the events. */
export function verifyStart(database: SqliteDatabase): void {
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
