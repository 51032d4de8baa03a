import { rowCheckOf } from './meta-rows.js';
import { createRowCheck, type Row, type RowCheck, SUMMED_COLUMNS, type TableName, withSum } from './row-sums.js';
import type { SqliteDatabase } from './sqlite-database.js';

/** Tables with their order; the rowid is copied too, since prompts are taken in its order. */
const TABLES: Partial<Record<TableName, string>> = {
  sessions: 'session_id',
  events: 'rowid',
  prompts: 'rowid',
  permissions: 'rowid',
  subscriptions: 'user_id, device_id',
  cursors: 'user_id, device_id, session_id',
  pushes: 'rowid',
};

/** Nothing can be shown of a lost session. */
const TABLES_OF_A_SESSION = ['events', 'prompts', 'permissions', 'cursors', 'pushes'];

/** Copies every intact row. Returns the numbers of copied rows per table and of skipped rows. */
export function copyRows(source: SqliteDatabase, fresh: SqliteDatabase): Record<string, number> {
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
    for (const table of TABLES_OF_A_SESSION) {
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
