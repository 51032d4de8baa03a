/** A journal that is there before the daemon starts, written by the daemon's own code. */
import { randomUUID } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ClaudeSessionId, DeviceId, SessionId } from '../../protocol/scalars.js';
import { readBootId } from '../../services/journal/epoch.js';
import { openDatabase } from '../../services/journal/open-database.js';
import { createSqliteCursors } from '../../services/journal/sqlite-cursors.js';
import { createSqliteJournal } from '../../services/journal/sqlite-journal.js';
import type { DeviceRef, EventRecord, SessionRecord, UserId } from '../../services/ports/records.js';

export const newSessionId = (): SessionId => randomUUID() as SessionId;

const newClaudeSessionId = () => randomUUID() as ClaudeSessionId;

/** The one person of a home that a daemon has run on. */
export function ownerOf(home: string): UserId {
  const registry = JSON.parse(readFileSync(join(home, 'registry.json'), 'utf8')) as { users: { userId: UserId }[] };
  const [owner] = registry.users;
  if (!owner) throw new Error('the daemon made no owner');
  return owner.userId;
}

export interface RecordOptions {
  sessionId: SessionId;
  owner: UserId;
  directory: string;
  /** Not closed: it has a conversation and no CLI. */
  open?: boolean;
}

/** Of a session that is closed, if nothing else is said, in a folder that is there. */
export function recordOf({ sessionId, owner, directory, open = false }: RecordOptions) {
  const { dev, ino } = statSync(directory);
  const at = Date.now();
  const record: SessionRecord = {
    sessionId,
    owner,
    directory,
    directoryKey: `${dev}:${ino}`,
    ...(open ? { claudeSessionId: newClaudeSessionId() } : { closed: { reason: 'measured' } }),
    messageCount: 0,
    totalCost: 0,
    createdAt: at,
    updatedAt: at,
    lastActivity: at,
  };
  return record;
}

/** One whole message of the CLI with a text of this many bytes. */
export function messageEvent(seq: number, bytes: number): EventRecord {
  const at = Date.now();
  const messageId = `m${seq}`;
  const data = JSON.stringify({
    type: 'assistant',
    messageId,
    blockIndex: 0,
    content: [{ type: 'text', text: 'x'.repeat(bytes) }],
    timestamp: new Date(at).toISOString(),
  });
  return {
    seq,
    type: 'assistantMessage',
    at,
    data,
    messageId,
    line: { childId: 'bench', offset: seq * 1000, part: 0 },
  };
}

export interface WrittenSession {
  sessionId: SessionId;
  directory: string;
  events: number;
  /** Of each event's text. */
  bytes: number;
  /** Not closed, and hibernated. */
  open?: boolean;
}

export interface WriteOptions {
  /** `COMPANION_HOME`, of a daemon that does not run. */
  home: string;
  owner: UserId;
  sessions: WrittenSession[];
  /** Devices that are subscribed to everything, and how many events each has missed in the first session. */
  devices?: { deviceId: string; missed: number }[];
}

const EVENTS_IN_COMMIT = 500;

export async function writeJournal({ home, owner, sessions, devices = [] }: WriteOptions): Promise<void> {
  const database = openDatabase(join(home, 'journal.db'));
  // The daemon that wrote it before has closed it, so this epoch is the one that the next daemon finds.
  const cursors = createSqliteCursors(database);
  const journal = createSqliteJournal({ database, bootId: readBootId() });
  const { epoch } = journal;
  for (const { sessionId, directory, events, bytes, open = false } of sessions) {
    const record = recordOf({ sessionId, owner, directory, open });
    for (let seq = 1; seq <= events; seq += EVENTS_IN_COMMIT) {
      const length = Math.min(EVENTS_IN_COMMIT, events - seq + 1);
      const some = Array.from({ length }, (_, index) => lineOf(messageEvent(seq + index, bytes), sessionId));
      await journal.commit({ record, events: some, prompts: [], permissions: [] });
    }
  }
  const [first] = sessions;
  for (const { deviceId, missed } of devices) {
    const device: DeviceRef = { userId: owner, deviceId: deviceId as DeviceId };
    await cursors.writeSubscription(device, { events: ['*'], all: false, acknowledges: true });
    if (!first) continue;
    await cursors.writeCursors(device, new Map([[first.sessionId, { seq: first.events - missed, epoch }]]));
  }
  await journal.close();
}

/** Lines are told apart by their child. */
function lineOf(event: EventRecord, childId: string): EventRecord {
  return { ...event, ...(event.line && { line: { ...event.line, childId } }) };
}
