import type { SessionId } from '../../../protocol/scalars.js';
import type { OutboxStore, PushRecord } from '../../ports/outbox.js';
import { DamageGuard } from '../damage/damage-guard.js';
import { insertInto, rowCheckOf, summedValues, withSum } from './row-sums.js';
import { type PushRow, pushOf, pushRow } from './rows.js';
import type { SqliteDatabase } from './sqlite-database.js';

const PRUNE_BATCH = 500;

/** The outbox in the journal's database. */
export function createSqliteOutbox(database: SqliteDatabase, guard = new DamageGuard(() => {})): OutboxStore {
  const check = rowCheckOf(database);
  const records = (rows: PushRow[]): PushRecord[] => rows.map((row) => pushOf(check('pushes', row)));
  const open = database.prepare<[], PushRow>(
    `SELECT * FROM pushes WHERE state IN ('owed', 'sending', 'accepted')
       OR permission_id IS NOT NULL AND attempts > 0 AND kind <> 'withdrawal' AND state <> 'seen' ORDER BY rowid`,
  );
  const ofRequest = database.prepare<[string, string], PushRow>(
    `SELECT * FROM pushes WHERE session_id = ? AND permission_id = ? ORDER BY rowid`,
  );
  const page = database.prepare<[string, number, number], PushRow>(
    `SELECT * FROM pushes WHERE user_id = ? ORDER BY created_at DESC, rowid DESC LIMIT ? OFFSET ?`,
  );
  const count = database.prepare<[string], number>(`SELECT COUNT(*) FROM pushes WHERE user_id = ?`).pluck();
  const prune = database.prepare<[number]>(
    `DELETE FROM pushes WHERE rowid IN (SELECT rowid FROM pushes
       WHERE updated_at < ? AND state NOT IN ('owed', 'sending') LIMIT ${PRUNE_BATCH})`,
  );
  const write = prepareWrite(database);
  return {
    readOpen: () => guard.run(() => records(open.all())),
    write: (changes) => guard.write(() => write(changes)),
    readRequest: (sessionId: SessionId, permissionId) =>
      guard.run(() => records(ofRequest.all(sessionId, permissionId))),
    readPage: (userId, { limit, offset }) =>
      guard.run(() => ({ pushes: records(page.all(userId, limit, offset)), total: count.get(userId) ?? 0 })),
    prune: (before) => guard.write(() => prune.run(before).changes === PRUNE_BATCH),
  };
}

function prepareWrite(database: SqliteDatabase): (changes: Parameters<OutboxStore['write']>[0]) => void {
  const insert = database.prepare(insertInto('pushes'));
  const update = database.prepare(
    `UPDATE pushes SET state = @state, reason = @reason, actions = @actions, history = @history, attempts = @attempts,
       due_at = @due_at, next_try = @next_try, expires_at = @expires_at, updated_at = @updated_at, sum = @sum
     WHERE push_id = @push_id`,
  );
  return database.transaction(({ added = [], changed = [] }: Parameters<OutboxStore['write']>[0]) => {
    for (const one of added) insert.run(summedValues('pushes', pushRow(one)));
    for (const one of changed) update.run(withSum('pushes', pushRow(one)));
  });
}
