import type { DeviceId, SessionId } from '../../../protocol/scalars.js';
import type { CursorStore, StoredCursor, StoredSubscription } from '../../ports/cursors.js';
import type { DeviceRef, UserId } from '../../ports/records.js';
import { DamageGuard } from '../damage/damage-guard.js';
import { insertInto, type RowCheck, rowCheckOf, summedValues } from './row-sums.js';
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

/** `events` of a device whose subscription was lost with a damaged page, and whose cursors were not. */
const LOST = null;

/** Subscriptions and cursors in the journal's database. */
export function createSqliteCursors(database: SqliteDatabase, guard = new DamageGuard(() => {})): CursorStore {
  const check = rowCheckOf(database);
  const subscriptions = prepareSubscriptions(database, check);
  const cursors = prepareCursors(database, check);
  const forgetDevice = database.transaction((device: DeviceRef) => {
    subscriptions.remove(device);
    cursors.removeAll(device);
  });
  const write = database.transaction((device: DeviceRef, subscription: StoredSubscription, begun: Moves) => {
    subscriptions.write(rowOf(device, subscription));
    cursors.move(device, begun);
  });
  return {
    readSubscription: (device) => guard.run(() => subscriptions.read(device)),
    writeSubscription: (device, subscription, begun = new Map()) =>
      guard.write(() => write(device, subscription, begun)),
    readCursors: (device) => guard.run(() => cursors.read(device)),
    writeCursors: (device, moved) => guard.write(() => cursors.move(device, moved)),
    removeCursors: (device, sessionIds) => guard.write(() => cursors.remove(device, sessionIds)),
    readDevices: () => guard.run(() => subscriptions.devices()),
    markSeen: (device, at) => guard.write(() => subscriptions.markSeen(device, at)),
    forgetDevice: (device) => guard.write(() => forgetDevice(device)),
    forgetSession: (sessionId) => guard.write(() => cursors.forgetSession(sessionId)),
  };
}

type Moves = ReadonlyMap<SessionId, StoredCursor>;

/**
 * Restores what every write keeps and a damaged page can break: each cursor is in a stored session, and its device has
 * a row in `subscriptions`. Reads all cursors.
 */
export function repairCursors(database: SqliteDatabase): void {
  const lost = database
    .prepare<[], string>(
      `SELECT DISTINCT session_id FROM cursors WHERE session_id NOT IN (SELECT session_id FROM sessions)`,
    )
    .pluck();
  const devices = database.prepare<[], Pick<SubscriptionRow, 'user_id' | 'device_id'>>(
    `SELECT user_id, device_id FROM cursors EXCEPT SELECT user_id, device_id FROM subscriptions`,
  );
  const remove = database.prepare(`DELETE FROM cursors WHERE session_id = ?`);
  const insert = database.prepare(insertInto('subscriptions'));
  const nothing = { events: JSON.stringify(LOST), all_sessions: 0, acknowledges: 0, seen_at: null, nameless: null };
  database.transaction(() => {
    for (const sessionId of lost.all()) remove.run(sessionId);
    for (const device of devices.all()) insert.run(summedValues('subscriptions', { ...device, ...nothing }));
  })();
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
  const erase = database.prepare(`DELETE FROM subscriptions WHERE user_id = ? AND device_id = ?`);
  const write = (row: SubscriptionRow) => void upsert.run(summedValues('subscriptions', row));
  return {
    read: ({ userId, deviceId }: DeviceRef) => {
      const row = select.get(userId, deviceId);
      return row && subscriptionOf(check('subscriptions', row));
    },
    write,
    devices: () =>
      every.all().map((row) => {
        const { seen_at, nameless } = check('subscriptions', row);
        return { ...deviceOf(row), seenAt: seen_at ?? undefined, isNameless: nameless === 1 };
      }),
    markSeen: (device: DeviceRef, at: number) => {
      const row = select.get(device.userId, device.deviceId);
      if (row) write({ ...check('subscriptions', row), seen_at: at });
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

function subscriptionOf(row: SubscriptionRow): StoredSubscription | undefined {
  const events = JSON.parse(row.events) as string[] | typeof LOST;
  if (events === LOST) return undefined;
  return {
    events,
    all: row.all_sessions === 1,
    acknowledges: row.acknowledges === 1,
    ...(row.seen_at !== null && { seenAt: row.seen_at }),
    ...(row.nameless === 1 && { isNameless: true }),
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
  const eraseAll = database.prepare(`DELETE FROM cursors WHERE user_id = ? AND device_id = ?`);
  const eraseSession = database.prepare(`DELETE FROM cursors WHERE session_id = ?`);
  const isStored = database.prepare<[string], number>(`SELECT 1 FROM sessions WHERE session_id = ?`);
  const moveOne = ({ userId, deviceId }: DeviceRef, sessionId: SessionId, { seq, epoch }: StoredCursor) => {
    const held = one.get(userId, deviceId, sessionId);
    const isSame = held !== undefined && check('cursors', held).epoch === epoch;
    if (isSame && held.seq >= seq) return;
    // A move can come after the session was forgotten.
    if (!held && !isStored.get(sessionId)) return;
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
    move: database.transaction((device: DeviceRef, moved: Moves) => {
      for (const [sessionId, cursor] of moved) moveOne(device, sessionId, cursor);
    }),
    removeAll: ({ userId, deviceId }: DeviceRef) => void eraseAll.run(userId, deviceId),
    forgetSession: (sessionId: SessionId) => void eraseSession.run(sessionId),
    remove: database.transaction(({ userId, deviceId }: DeviceRef, sessionIds: readonly SessionId[]) => {
      for (const sessionId of sessionIds) erase.run(userId, deviceId, sessionId);
    }),
  };
}
