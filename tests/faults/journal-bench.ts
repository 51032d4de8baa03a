/** Puts damaged copies of a journal in the place of the original, the very same file, and reads them out. */
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DeviceId } from '../../protocol/scalars.js';
import type { DeviceRef, EventRecord, StoredSession, UserId } from '../../services/ports/records.js';
import { DamageGuard } from '../../services/record/damage/damage-guard.js';
import { readBootId } from '../../services/record/damage/epoch.js';
import { type OpenedJournal, openJournal } from '../../services/record/open-journal.js';
import { createEventLog } from '../../services/record/sqlite/event-log.js';
import { Extents } from '../../services/record/sqlite/extents.js';
import type { TableName } from '../../services/record/sqlite/row-sums.js';
import { rowCheckOf } from '../../services/record/sqlite/row-sums.js';
import { type PermissionRow, type PromptRow, permissionOf, promptOf } from '../../services/record/sqlite/rows.js';
import { loadSessions } from '../../services/record/sqlite/session-store.js';
import { connectToDamaged } from '../../services/record/sqlite/sqlite-database.js';

/** The bytes of a journal's files. */
export interface JournalBytes {
  database: Buffer;
  log: Buffer;
  mark: Buffer | undefined;
}

export function readBytes(home: string): JournalBytes {
  const read = (name: string) => (existsSync(join(home, name)) ? readFileSync(join(home, name)) : undefined);
  const [database, log, mark] = ['journal.db', 'journal.db-wal', 'journal.mark'].map(read);
  return { database: database ?? Buffer.alloc(0), log: log ?? Buffer.alloc(0), mark };
}

export interface JournalView {
  epoch: string;
  sessions: StoredSession[];
  /** By session id. */
  events: Record<string, EventRecord[]>;
  messages: Record<string, unknown>;
  requests: unknown[];
  cursors: Record<string, unknown>;
  subscriptions: Record<string, unknown>;
}

/** What clients may ask for: devices and the request ids that they used. */
export interface Asked {
  owner: string;
  devices: string[];
  requestIds: string[];
}

/** Everything that a client could be shown. */
async function readView({ journal, cursors }: OpenedJournal, asked: Asked): Promise<JournalView> {
  const { owner, devices, requestIds } = asked;
  const sessions = journal.loadSessions();
  const view: JournalView = {
    epoch: journal.epoch,
    sessions,
    events: {},
    messages: {},
    requests: [],
    cursors: {},
    subscriptions: {},
  };
  for (const { record, head } of sessions) {
    const { sessionId } = record;
    const events: EventRecord[] = [];
    while (events.length < head) {
      const page = journal.readEvents({ sessionId, after: events.length, limit: 10 });
      if (page.length === 0) break;
      events.push(...page);
    }
    view.events[sessionId] = events;
    view.messages[sessionId] = await journal.readMessages({ sessionId, limit: 1000, offset: 0 });
  }
  for (const deviceId of devices) {
    const device: DeviceRef = { userId: owner as UserId, deviceId: deviceId as DeviceId };
    view.cursors[device.deviceId] = [...cursors.readCursors(device)];
    view.subscriptions[device.deviceId] = cursors.readSubscription(device);
    for (const requestId of requestIds) view.requests.push(journal.findRequest(device, requestId) ?? null);
  }
  return view;
}

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

export interface Outcome {
  view: JournalView;
  /** Found while it was read, and mended after that. */
  damagedInUse: boolean;
}

/** `original` is the file as the daemon made it: every copy is written into it, for another file is another journal. */
export function createJournalBench(folder: string, original: string) {
  const path = join(folder, 'journal.db');
  const put = ({ database, log, mark }: JournalBytes) => {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    linkSync(original, path);
    writeFileSync(path, database);
    if (log.length > 0) writeFileSync(`${path}-wal`, log);
    if (mark) writeFileSync(join(folder, 'journal.mark'), mark);
  };
  const attempt = async (asked: Asked, damage?: Parameters<typeof openJournal>[0]['damage']): Promise<Outcome> => {
    let found: typeof damage;
    const onDamage = (next: NonNullable<typeof damage>) => {
      found = next;
    };
    const given = { path, bootId: readBootId(), log: silent, onDamage, ...(damage && { damage }) };
    const opened = openJournal(given);
    try {
      return { view: await readView(opened, asked), damagedInUse: damage !== undefined };
    } catch (error) {
      if (!found || damage) throw error;
    } finally {
      await opened.journal.close();
    }
    return attempt(asked, found);
  };
  return {
    path,
    put,
    /** As the daemon does it: opened, and mended once more where damage shows only in use. */
    open: (bytes: JournalBytes, asked: Asked): Promise<Outcome> => {
      put(bytes);
      return attempt(asked);
    },
    /** Reads rows as they are, without opening it as a journal: undefined where there is no table yet. */
    look: (bytes: JournalBytes) => {
      put(bytes);
      const database = connectToDamaged(path);
      try {
        const check = rowCheckOf(database);
        const sessions = loadSessions(database, check);
        const guard = new DamageGuard(() => {});
        const { readEvents } = createEventLog({ database, check, guard, extents: new Extents(database) });
        const all = sessions.map(({ record }) => readEvents({ sessionId: record.sessionId, after: 0, limit: 100_000 }));
        const rows = <Row>(table: TableName) =>
          database
            .prepare<[], Row & object>(`SELECT * FROM ${table}`)
            .all()
            .map((row) => check(table, row));
        return {
          sessions,
          events: all,
          prompts: rows<PromptRow>('prompts').map(promptOf),
          permissions: rows<PermissionRow>('permissions').map(permissionOf),
          cursors: rows<Record<string, unknown>>('cursors'),
          subscriptions: rows<{ events: string }>('subscriptions'),
        };
      } finally {
        database.close();
      }
    },
  };
}

const LOG_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;

/** Lengths of the write-ahead log at which a commit ends (sqlite.org/fileformat2.html#walformat). */
export function commitEnds(log: Buffer): number[] {
  const pageBytes = log.length > LOG_HEADER_BYTES ? log.readUInt32BE(8) : 0;
  const ends: number[] = [];
  const frameBytes = FRAME_HEADER_BYTES + pageBytes;
  const salt = log.subarray(16, 24);
  for (let at = LOG_HEADER_BYTES; at + frameBytes <= log.length; at += frameBytes) {
    if (!log.subarray(at + 8, at + 16).equals(salt)) break;
    if (log.readUInt32BE(at + 4) > 0) ends.push(at + frameBytes);
  }
  return ends;
}
