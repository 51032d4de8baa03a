import { rowCheckOf } from './meta-rows.js';
import { createRowCheck, type Row, type RowCheck, SUMMED_COLUMNS, type TableName, withSum } from './row-sums.js';
import type { SqliteDatabase } from './sqlite-database.js';

/** Tables with what orders them; a rowid goes along, for prompts are taken in its order. */
const TABLES: Partial<Record<TableName, string>> = {
  sessions: 'session_id',
  events: 'rowid',
  prompts: 'rowid',
  permissions: 'rowid',
  subscriptions: 'user_id, device_id',
  cursors: 'user_id, device_id, session_id',
  pushes: 'rowid',
};

/** Of a session that is lost nothing can be shown. */
const TABLES_OF_A_SESSION = ['events', 'prompts', 'permissions', 'cursors', 'pushes'];

/** Copies every row that can be read and is as it was written. Returns how many of each table, and how many were not. */
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
    // Where not even this can be read, sums are required.
    return createRowCheck({ unsummed: false });
  }
}

/** From the front up to what cannot be read, and then from the back. */
function* readableRows(source: SqliteDatabase, table: TableName, order: string): Generator<Row> {
  const columns = order === 'rowid' ? 'rowid, *' : '*';
  const descending = order.replaceAll(/\w+/g, '$& DESC');
  for (const direction of [order, descending]) {
    try {
      yield* source.prepare<[], Row>(`SELECT ${columns} FROM ${table} ORDER BY ${direction}`).iterate();
      return;
    } catch {
      // Whatever stands in the way: there may be rows behind it.
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
    // Of whatever is wrong with it: a row that is not as it was written is left behind, and counted.
    return false;
  }
}

/** Returns how many rows were added: none when there is one in that place. */
function prepareInsert(fresh: SqliteDatabase, { table, withRowid }: { table: TableName; withRowid: boolean }) {
  const columns = [...(withRowid ? ['rowid'] : []), ...SUMMED_COLUMNS[table], 'sum'];
  const values = columns.map((column) => `@${column}`).join(', ');
  const insert = fresh.prepare(`INSERT OR IGNORE INTO ${table} (${columns.join(', ')}) VALUES (${values})`);
  const absent = Object.fromEntries(columns.map((column) => [column, null]));
  return (row: Row): number => insert.run({ ...absent, ...withSum(table, row) }).changes;
}
