import { crc32 } from 'node:zlib';
import { JournalDamaged } from '../damage/damage-guard.js';
import type { SqliteDatabase } from './sqlite-database.js';

/** Each row carries a checksum over its other columns, so that data altered on disk is never trusted. */

/**
 * The columns under the checksum, in this order. NULL contributes nothing, so a later step can add a column without
 * touching older rows, as long as it is NULL in those.
 */
export const SUMMED_COLUMNS = {
  meta: ['key', 'value'],
  sessions: ['session_id', 'head', 'record', 'commits', 'first'],
  events: [
    'session_id',
    'seq',
    'type',
    'at',
    'data',
    'message_id',
    'child_id',
    'line_offset',
    'line_part',
    'bytes_before',
    'blob',
  ],
  messages: ['session_id', 'number', 'message_id', 'seq', 'blocks', 'turn'],
  indexed_sessions: ['session_id', 'seq'],
  prompts: [
    'prompt_id',
    'session_id',
    'user_id',
    'device_id',
    'request_id',
    'uuid',
    'state',
    'mode',
    'announced',
    'text',
    'attachments',
    'answer',
    'outcome',
    'created_at',
    'ended_at',
    'place',
    'allowed_tools',
    'via',
    'trace',
  ],
  answers: [
    'user_id',
    'command',
    'key',
    'device_id',
    'fingerprint',
    'session_id',
    'created_at',
    'status',
    'content_type',
    'body',
  ],
  usage: [
    'user_id',
    'day',
    'session_id',
    'model',
    'project',
    'turns',
    'input',
    'output',
    'cache_read',
    'cache_write',
    'cost',
  ],
  file_accesses: ['session_id', 'seq', 'place', 'at', 'device_id', 'kind', 'path', 'prompt_id'],
  schedules: ['schedule_id', 'user_id', 'record'],
  hooks: ['hook_id', 'user_id', 'record'],
  webhooks: ['webhook_id', 'user_id', 'record'],
  webhook_deliveries: [
    'delivery_id',
    'webhook_id',
    'user_id',
    'session_id',
    'state',
    'created_at',
    'updated_at',
    'record',
  ],
  schedule_runs: ['schedule_id', 'due_at', 'user_id', 'state', 'record'],
  budgets: [
    'budget_id',
    'user_id',
    'of_what',
    'session_id',
    'period',
    'unit',
    'amount',
    'warn_at',
    'stop',
    'made_by',
    'created_at',
    'updated_at',
  ],
  budget_marks: ['budget_id', 'session_id', 'since', 'state'],
  other_usage: ['user_id', 'day', 'tokens', 'dollars'],
  permissions: ['session_id', 'permission_id', 'child_id', 'ask', 'decision', 'by_device_id', 'answer', 'created_at'],
  subscriptions: ['user_id', 'device_id', 'events', 'all_sessions', 'acknowledges', 'seen_at', 'nameless'],
  cursors: ['user_id', 'device_id', 'session_id', 'seq', 'epoch'],
  pushes: [
    'push_id',
    'user_id',
    'device_id',
    'session_id',
    'seq',
    'epoch',
    'permission_id',
    'kind',
    'collapse_id',
    'state',
    'reason',
    'about',
    'actions',
    'history',
    'attempts',
    'due_at',
    'next_try',
    'expires_at',
    'created_at',
    'updated_at',
  ],
} as const;

export type TableName = keyof typeof SUMMED_COLUMNS;
export type Row = Readonly<Record<string, unknown>>;

/** The `sum` of a row that predates checksums. */
const UNSUMMED = -1;

/** The prefixes of a text and of a number; a text read as a blob or a number is a different value. */
const marksOf = (columns: readonly string[]) =>
  columns.map((column) => [column, `\0${column}"`, `\0${column}#`] as const);
const MARKS = Object.fromEntries(
  Object.entries(SUMMED_COLUMNS).map(([table, columns]) => [table, marksOf(columns)]),
) as Record<TableName, ReturnType<typeof marksOf>>;

/** CRC-32 over the row's columns with their names and types: 1 µs, cheap enough for every row. */
function sumOf(table: TableName, row: object): number {
  let text: string = table;
  for (const [column, textMark, numberMark] of MARKS[table]) {
    const value = (row as Row)[column];
    if (typeof value === 'string') text += textMark + value;
    else if (typeof value === 'number') text += numberMark + value;
    else if (value !== null && value !== undefined) text += '\0?';
  }
  return crc32(text);
}

/** The row with its checksum, ready to write. */
export const withSum = <T extends object>(table: TableName, row: T): T & { sum: number } => ({
  ...row,
  sum: sumOf(table, row),
});

/** The row's values in the order of `insertInto`. */
export function summedValues(table: TableName, row: object): unknown[] {
  const values = SUMMED_COLUMNS[table].map((column) => (row as Row)[column]);
  values.push(sumOf(table, row));
  return values;
}

/** The statement that writes the values of `summedValues`. */
export function insertInto(table: TableName): string {
  const columns = [...SUMMED_COLUMNS[table], 'sum'];
  return `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`;
}

/** Returns the row when its checksum matches, otherwise throws `JournalDamaged`. */
export type RowCheck = <T extends object>(table: TableName, row: T) => T;

/** `unsummed`: the journal has rows that predate checksums; those are not checked. */
export const createRowCheck =
  ({ unsummed }: { unsummed: boolean }): RowCheck =>
  (table, row) => {
    const { sum } = row as { sum?: unknown };
    if (sum === sumOf(table, row) || (unsummed && sum === UNSUMMED)) return row;
    throw new JournalDamaged(`a row of ${table} is not as it was written`);
  };

interface MetaRow {
  key: string;
  value: string;
  sum: number;
}

type MetaKey =
  | 'epoch'
  /** The boot in which the journal was opened and not yet closed. */
  | 'open_since_boot'
  /** The file that holds the journal. */
  | 'file'
  /** The number of commits, where no session stores it. */
  | 'commits'
  /** The number of applied schema steps. */
  | 'schema'
  /** The time used by retention, in epoch milliseconds. */
  | 'retention_clock'
  /** When a write was last tried on a disk that had refused one, in epoch milliseconds. */
  | 'probed_at'
  /** Some rows predate checksums. */
  | 'unsummed_rows';

/** The journal's own metadata. */
export interface MetaRows {
  /** Throws `JournalDamaged` when the row is damaged. */
  get(key: MetaKey): string | undefined;
  set(key: MetaKey, value: string): void;
  remove(key: MetaKey): void;
}

export function openMeta(database: SqliteDatabase): MetaRows {
  const select = database.prepare<[string], MetaRow>(`SELECT * FROM meta WHERE key = ?`);
  const write = database.prepare(
    `INSERT INTO meta (key, value, sum) VALUES (@key, @value, @sum)
     ON CONFLICT DO UPDATE SET value = excluded.value, sum = excluded.sum WHERE value <> excluded.value`,
  );
  const erase = database.prepare(`DELETE FROM meta WHERE key = ?`);
  return {
    get: (key) => {
      const row = select.get(key);
      return row && rowCheckOf(database)('meta', row).value;
    },
    set: (key, value) => void write.run(withSum('meta', { key, value })),
    remove: (key) => void erase.run(key),
  };
}

/** How this journal's rows are checked: strictly, unless it predates checksums. */
export function rowCheckOf(database: SqliteDatabase): RowCheck {
  const row = database.prepare<[], MetaRow>(`SELECT * FROM meta WHERE key = 'unsummed_rows'`).get();
  if (row) createRowCheck({ unsummed: false })('meta', row);
  return createRowCheck({ unsummed: row !== undefined });
}

/** Tables whose rows are of one session and go with it, besides its events and what is derived from them. */
export const TABLES_OF_A_SESSION = [
  'prompts',
  'permissions',
  'cursors',
  'pushes',
  'webhook_deliveries',
  'answers',
  'usage',
  'file_accesses',
  'budgets',
] as const;
