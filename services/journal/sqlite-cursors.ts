import type { SessionId } from '../../protocol/scalars.js';
import type { CursorStore, StoredCursor } from '../ports/journal.js';
import type { DeviceRef } from '../ports/records.js';
import { guarded, type SqliteDatabase } from './sqlite-database.js';

interface SubscriptionRow {
  events: string;
  all_sessions: number;
  acknowledges: number;
}

interface CursorRow extends StoredCursor {
  session_id: string;
}

/** Subscriptions and cursors in the journal's database. */
export function createSqliteCursors(database: SqliteDatabase): CursorStore {
  const read = database.prepare<[string, string], SubscriptionRow>(
    `SELECT events, all_sessions, acknowledges FROM subscriptions WHERE user_id = ? AND device_id = ?`,
  );
  const write = database.prepare(
    `INSERT INTO subscriptions VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET events = excluded.events,
       all_sessions = excluded.all_sessions, acknowledges = excluded.acknowledges`,
  );
  const cursors = database.prepare<[string, string], CursorRow>(
    `SELECT session_id, seq, epoch FROM cursors WHERE user_id = ? AND device_id = ?`,
  );
  const move = database.prepare(
    `INSERT INTO cursors VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
       seq = CASE WHEN epoch = excluded.epoch THEN MAX(seq, excluded.seq) ELSE excluded.seq END,
       epoch = excluded.epoch`,
  );
  const remove = database.prepare(`DELETE FROM cursors WHERE user_id = ? AND device_id = ? AND session_id = ?`);
  return {
    readSubscription: async ({ userId, deviceId }) => {
      const row = read.get(userId, deviceId);
      if (!row) return undefined;
      const events = JSON.parse(row.events) as string[];
      return { events, all: row.all_sessions === 1, acknowledges: row.acknowledges === 1 };
    },
    writeSubscription: async ({ userId, deviceId }, { events, all, acknowledges }) => {
      guarded(() => write.run(userId, deviceId, JSON.stringify(events), Number(all), Number(acknowledges)));
    },
    readCursors: async ({ userId, deviceId }) =>
      new Map(
        cursors.all(userId, deviceId).map(({ session_id, seq, epoch }) => [session_id as SessionId, { seq, epoch }]),
      ),
    writeCursors: async (device, moved) => writeAll(database, () => moveAll(device, moved)),
    removeCursors: async ({ userId, deviceId }, sessionIds) =>
      writeAll(database, () => {
        for (const sessionId of sessionIds) remove.run(userId, deviceId, sessionId);
      }),
  };

  function moveAll({ userId, deviceId }: DeviceRef, moved: ReadonlyMap<SessionId, StoredCursor>): void {
    for (const [sessionId, { seq, epoch }] of moved) move.run(userId, deviceId, sessionId, seq, epoch);
  }
}

const writeAll = (database: SqliteDatabase, write: () => void) => guarded(() => database.transaction(write)());
