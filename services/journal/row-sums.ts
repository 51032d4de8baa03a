/** Each row carries a checksum over its other columns, so that data altered on disk is never trusted. */
import { crc32 } from 'node:zlib';
import { JournalDamaged } from './journal-damaged.js';

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
  messages: ['session_id', 'number', 'message_id', 'seq', 'blocks'],
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
  ],
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
