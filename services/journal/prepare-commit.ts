import type { PushRecord } from '../ports/outbox.js';
import type { SessionChange } from '../ports/records.js';
import type { Extent, Extents } from './extents.js';
import { pushRow } from './push-rows.js';
import { insertInto, SUMMED_COLUMNS, summedValues, type TableName } from './row-sums.js';
import { eventRow, permissionRow, promptRow, type SessionRow } from './rows.js';
import type { SqliteDatabase } from './sqlite-database.js';

/** Writes a change in one transaction, under its commit number. Returns the session's new extent. */
export function prepareCommit(
  database: SqliteDatabase,
  extents: Extents,
): (change: SessionChange, commit: number, pushes?: readonly PushRecord[]) => Extent {
  const session = prepareUpsert(database, 'sessions', 'session_id');
  const event = database.prepare(insertInto('events'));
  const prompt = prepareUpsert(database, 'prompts', 'prompt_id', ['session_id', 'user_id', 'device_id', 'request_id']);
  const permission = prepareUpsert(database, 'permissions', 'session_id, permission_id', ['child_id']);
  const push = database.prepare(insertInto('pushes'));
  return database.transaction((change: SessionChange, commits: number, pushes: readonly PushRecord[] = []) => {
    const { record, events, prompts, permissions } = change;
    const { sessionId } = record;
    const extent = { ...extents.of(sessionId) };
    for (const one of events) {
      event.run(summedValues('events', { ...eventRow(sessionId, one), bytes_before: extent.total }));
      extent.total += Buffer.byteLength(one.data);
      extent.blobs += one.blob?.bytes ?? 0;
      extent.head = one.seq;
    }
    const { head, first } = extent;
    const row: SessionRow = { session_id: sessionId, head, record: JSON.stringify(record), commits, first };
    session.run(summedValues('sessions', row));
    for (const one of prompts) prompt.run(summedValues('prompts', promptRow(one)));
    for (const one of permissions) permission.run(summedValues('permissions', permissionRow(one)));
    for (const one of pushes) push.run(summedValues('pushes', pushRow(one)));
    return extent;
  });
}

/** Writes the whole row, since its checksum covers all columns. Indexed columns that never change are left out. */
function prepareUpsert(database: SqliteDatabase, table: TableName, key: string, constant: readonly string[] = []) {
  const kept = new Set([...key.split(', '), ...constant]);
  const changes = [...SUMMED_COLUMNS[table], 'sum'].filter((column) => !kept.has(column));
  const set = changes.map((column) => `${column} = excluded.${column}`).join(', ');
  return database.prepare(`${insertInto(table)} ON CONFLICT (${key}) DO UPDATE SET ${set}`);
}
