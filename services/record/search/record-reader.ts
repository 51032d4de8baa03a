import type { SessionRecord } from '../../ports/records.js';
import { openMeta, rowCheckOf } from '../sqlite/row-sums.js';
import type { EventRow, SessionRow } from '../sqlite/rows.js';
import { connectToRead } from '../sqlite/sqlite-database.js';

/** The record cannot be read: its owner learns it from the cause. */
export class RecordUnreadable extends Error {
  constructor(cause: unknown) {
    super((cause as Error).message, { cause });
  }
}

/** A session as the index knows it. */
export interface RecordedSession {
  sessionId: string;
  owner: string;
  directory: string;
  /** The smallest seq that is kept. */
  first: number;
  head: number;
}

/** What the index reads of the record, in a thread of its own. All throw `RecordUnreadable`. */
export interface RecordReader {
  readonly epoch: string;
  /** Another value: something was written since. */
  version(): number;
  sessions(): RecordedSession[];
  /** In order, those with a greater seq. */
  events(sessionId: string, after: number, limit: number): EventRow[];
  event(sessionId: string, seq: number): EventRow | undefined;
  hasMessage(sessionId: string, messageId: string): boolean;
  close(): void;
}

export function openRecordReader(path: string): RecordReader {
  return reading(() => {
    const database = connectToRead(path);
    const check = rowCheckOf(database);
    const sessions = database.prepare<[], SessionRow>('SELECT * FROM sessions');
    const events = database.prepare<[string, number, number], EventRow>(
      'SELECT * FROM events WHERE session_id = ? AND seq > ? ORDER BY seq LIMIT ?',
    );
    const event = database.prepare<[string, number], EventRow>('SELECT * FROM events WHERE session_id = ? AND seq = ?');
    const message = database
      .prepare<[string, string], number>('SELECT 1 FROM events WHERE session_id = ? AND message_id = ? LIMIT 1')
      .pluck();
    return {
      epoch: openMeta(database).get('epoch') ?? '',
      version: () => reading(() => Number(database.pragma('data_version', { simple: true }))),
      sessions: () => reading(() => sessions.all().flatMap((row) => sessionOf(check('sessions', row)) ?? [])),
      events: (sessionId, after, limit) =>
        reading(() => events.all(sessionId, after, limit).map((row) => check('events', row))),
      event: (sessionId, seq) =>
        reading(() => {
          const row = event.get(sessionId, seq);
          return row && check('events', row);
        }),
      hasMessage: (sessionId, messageId) => reading(() => message.get(sessionId, messageId) !== undefined),
      close: () => database.close(),
    };
  });
}

/** Undefined for one that is purged when its CLI has ended, and for one that lists leave out. */
function sessionOf({ session_id: sessionId, head, first, record }: SessionRow): RecordedSession | undefined {
  const { owner, directory, closed, ofProgram } = JSON.parse(record) as SessionRecord;
  if (closed?.isPurged || ofProgram) return undefined;
  return { sessionId, owner, directory, first: first ?? 1, head };
}

function reading<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw new RecordUnreadable(error);
  }
}
