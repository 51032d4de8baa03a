import type { SessionId } from '../../protocol/scalars.js';
import type { CursorStore, StoredCursor } from '../ports/journal.js';
import type { DeviceRef } from '../ports/records.js';
import { DamageGuard } from './damage-guard.js';
import { rowCheckOf } from './meta-rows.js';
import { insertInto, type RowCheck, summedValues } from './row-sums.js';
import type { SqliteDatabase } from './sqlite-database.js';

interface SubscriptionRow {
  user_id: string;
  device_id: string;
  events: string;
  all_sessions: number;
  acknowledges: number;
}

interface CursorRow extends StoredCursor {
  user_id: string;
  device_id: string;
  session_id: string;
}

/** Subscriptions and cursors in the journal's database. */
export function createSqliteCursors(database: SqliteDatabase, guard = new DamageGuard(() => {})): CursorStore {
  const check = rowCheckOf(database);
  const subscriptions = prepareSubscriptions(database, check);
  const cursors = prepareCursors(database, check);
  return {
    readSubscription: async (device) => guard.run(() => subscriptions.read(device)),
    writeSubscription: async ({ userId, deviceId }, { events, all, acknowledges }) =>
      guard.run(() =>
        subscriptions.write({
          user_id: userId,
          device_id: deviceId,
          events: JSON.stringify(events),
          all_sessions: Number(all),
          acknowledges: Number(acknowledges),
        }),
      ),
    readCursors: async (device) => guard.run(() => cursors.read(device)),
    writeCursors: async (device, moved) => guard.run(() => cursors.move(device, moved)),
    removeCursors: async (device, sessionIds) => guard.run(() => cursors.remove(device, sessionIds)),
  };
}

function prepareSubscriptions(database: SqliteDatabase, check: RowCheck) {
  const select = database.prepare<[string, string], SubscriptionRow>(
    `SELECT * FROM subscriptions WHERE user_id = ? AND device_id = ?`,
  );
  const upsert = database.prepare(
    `${insertInto('subscriptions')} ON CONFLICT DO UPDATE SET events = excluded.events,
       all_sessions = excluded.all_sessions, acknowledges = excluded.acknowledges, sum = excluded.sum`,
  );
  return {
    read: ({ userId, deviceId }: DeviceRef) => {
      const row = select.get(userId, deviceId);
      if (!row) return undefined;
      const { events, all_sessions, acknowledges } = check('subscriptions', row);
      return { events: JSON.parse(events) as string[], all: all_sessions === 1, acknowledges: acknowledges === 1 };
    },
    write: (row: SubscriptionRow) => void upsert.run(summedValues('subscriptions', row)),
  };
}

function prepareCursors(database: SqliteDatabase, check: RowCheck) {
  const all = database.prepare<[string, string], CursorRow>(
    `SELECT * FROM cursors WHERE user_id = ? AND device_id = ?`,
  );
  const one = database.prepare<[string, string, string], CursorRow>(
    `SELECT * FROM cursors WHERE user_id = ? AND device_id = ? AND session_id = ?`,
  );
  const upsert = database.prepare(
    `${insertInto('cursors')} ON CONFLICT DO UPDATE SET seq = excluded.seq, epoch = excluded.epoch, sum = excluded.sum`,
  );
  const erase = database.prepare(`DELETE FROM cursors WHERE user_id = ? AND device_id = ? AND session_id = ?`);
  const moveOne = ({ userId, deviceId }: DeviceRef, sessionId: SessionId, { seq, epoch }: StoredCursor) => {
    const held = one.get(userId, deviceId, sessionId);
    const isSame = held !== undefined && check('cursors', held).epoch === epoch;
    if (isSame && held.seq >= seq) return;
    const row: CursorRow = { user_id: userId, device_id: deviceId, session_id: sessionId, seq, epoch };
    upsert.run(summedValues('cursors', row));
  };
  return {
    read: ({ userId, deviceId }: DeviceRef) =>
      new Map(
        all.all(userId, deviceId).map((row) => {
          const { session_id, seq, epoch } = check('cursors', row);
          return [session_id as SessionId, { seq, epoch }] as const;
        }),
      ),
    move: database.transaction((device: DeviceRef, moved: ReadonlyMap<SessionId, StoredCursor>) => {
      for (const [sessionId, cursor] of moved) moveOne(device, sessionId, cursor);
    }),
    remove: database.transaction(({ userId, deviceId }: DeviceRef, sessionIds: readonly SessionId[]) => {
      for (const sessionId of sessionIds) erase.run(userId, deviceId, sessionId);
    }),
  };
}
