import type { DeviceId, SessionId } from '../../protocol/scalars.js';
import type { CursorStore, StoredCursor, StoredSubscription } from '../ports/journal.js';
import type { DeviceRef, UserId } from '../ports/records.js';
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
  seen_at: number | null;
  /** NULL: the device has a name. */
  nameless: number | null;
}

interface CursorRow extends StoredCursor {
  user_id: string;
  device_id: string;
  session_id: string;
}

/**
 * The stored subscription, as JSON, of a device that has cursors only: its subscription can be lost with a damaged
 * page. The row records when the device was last connected, and is no subscription.
 */
const NO_WORD = 'null';

/** Subscriptions and cursors in the journal's database. */
export function createSqliteCursors(database: SqliteDatabase, guard = new DamageGuard(() => {})): CursorStore {
  const check = rowCheckOf(database);
  const subscriptions = prepareSubscriptions(database, check);
  const cursors = prepareCursors(database, check);
  const forgetDevice = database.transaction((device: DeviceRef) => {
    subscriptions.remove(device);
    cursors.removeAll(device);
  });
  return {
    readSubscription: async (device) => guard.run(() => subscriptions.read(device)),
    writeSubscription: async (device, subscription) =>
      guard.write(() => subscriptions.write(rowOf(device, subscription))),
    readCursors: async (device) => guard.run(() => cursors.read(device)),
    writeCursors: async (device, moved) => guard.write(() => cursors.move(device, moved)),
    removeCursors: async (device, sessionIds) => guard.write(() => cursors.remove(device, sessionIds)),
    readDevices: async () => guard.run(() => subscriptions.devices()),
    markSeen: async (device, at) => guard.write(() => subscriptions.markSeen(device, at)),
    forgetDevice: async (device) => guard.write(() => forgetDevice(device)),
    forgetSession: async (sessionId) => guard.write(() => cursors.forgetSession(sessionId)),
    forgetLostSessions: async () => guard.write(() => cursors.forgetLostSessions()),
  };
}

function prepareSubscriptions(database: SqliteDatabase, check: RowCheck) {
  const select = database.prepare<[string, string], SubscriptionRow>(
    `SELECT * FROM subscriptions WHERE user_id = ? AND device_id = ?`,
  );
  const upsert = database.prepare(
    `${insertInto('subscriptions')} ON CONFLICT DO UPDATE SET events = excluded.events,
       all_sessions = excluded.all_sessions, acknowledges = excluded.acknowledges, seen_at = excluded.seen_at,
       nameless = excluded.nameless, sum = excluded.sum`,
  );
  const every = database.prepare<[], SubscriptionRow>(`SELECT * FROM subscriptions`);
  const others = database.prepare<[], Pick<SubscriptionRow, 'user_id' | 'device_id'>>(
    `SELECT user_id, device_id FROM cursors EXCEPT SELECT user_id, device_id FROM subscriptions`,
  );
  const cursor = database.prepare<[string, string], number>(
    `SELECT 1 FROM cursors WHERE user_id = ? AND device_id = ? LIMIT 1`,
  );
  const erase = database.prepare(`DELETE FROM subscriptions WHERE user_id = ? AND device_id = ?`);
  const write = (row: SubscriptionRow) => void upsert.run(summedValues('subscriptions', row));
  return {
    read: ({ userId, deviceId }: DeviceRef) => {
      const row = select.get(userId, deviceId);
      return row && check('subscriptions', row).events !== NO_WORD ? subscriptionOf(row) : undefined;
    },
    write,
    devices: () => [
      ...every.all().map((row) => {
        const { seen_at, nameless } = check('subscriptions', row);
        return { ...deviceOf(row), seenAt: seen_at ?? undefined, isNameless: nameless === 1 };
      }),
      ...others.all().map((row) => ({ ...deviceOf(row), seenAt: undefined, isNameless: false })),
    ],
    markSeen: (device: DeviceRef, at: number) => {
      const row = select.get(device.userId, device.deviceId);
      if (row) write({ ...check('subscriptions', row), seen_at: at });
      else if (cursor.get(device.userId, device.deviceId)) {
        write({ ...rowOf(device, { events: [], all: false, acknowledges: false, seenAt: at }), events: NO_WORD });
      }
    },
    remove: ({ userId, deviceId }: DeviceRef) => void erase.run(userId, deviceId),
  };
}

const deviceOf = ({ user_id, device_id }: Pick<SubscriptionRow, 'user_id' | 'device_id'>): DeviceRef => ({
  userId: user_id as UserId,
  deviceId: device_id as DeviceId,
});

const rowOf = ({ userId, deviceId }: DeviceRef, subscription: StoredSubscription): SubscriptionRow => ({
  user_id: userId,
  device_id: deviceId,
  events: JSON.stringify(subscription.events),
  all_sessions: Number(subscription.all),
  acknowledges: Number(subscription.acknowledges),
  seen_at: subscription.seenAt ?? null,
  nameless: subscription.isNameless ? 1 : null,
});

const subscriptionOf = (row: SubscriptionRow): StoredSubscription => ({
  events: JSON.parse(row.events) as string[],
  all: row.all_sessions === 1,
  acknowledges: row.acknowledges === 1,
  ...(row.seen_at !== null && { seenAt: row.seen_at }),
  ...(row.nameless === 1 && { isNameless: true }),
});

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
  const eraseAll = database.prepare(`DELETE FROM cursors WHERE user_id = ? AND device_id = ?`);
  const eraseSession = database.prepare(`DELETE FROM cursors WHERE session_id = ?`);
  const eraseLost = database.prepare(`DELETE FROM cursors WHERE session_id NOT IN (SELECT session_id FROM sessions)`);
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
    removeAll: ({ userId, deviceId }: DeviceRef) => void eraseAll.run(userId, deviceId),
    forgetSession: (sessionId: SessionId) => void eraseSession.run(sessionId),
    forgetLostSessions: () => void eraseLost.run(),
    remove: database.transaction(({ userId, deviceId }: DeviceRef, sessionIds: readonly SessionId[]) => {
      for (const sessionId of sessionIds) erase.run(userId, deviceId, sessionId);
    }),
  };
}
