/** A journal that is there before the daemon starts, written by the daemon's own code. */
import { randomUUID } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ClaudeSessionId, DeviceId, SessionId } from '../../protocol/scalars.js';
import type { DeviceRef, EventRecord, SessionRecord, UserId } from '../../services/ports/records.js';
import { readBootId } from '../../services/record/damage/epoch.js';
import { createSqliteCursors } from '../../services/record/sqlite/cursors.js';
import { openDatabase } from '../../services/record/sqlite/schema.js';
import { createSqliteJournal } from '../../services/record/sqlite/sqlite-journal.js';

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

/** What a person said, with which a turn begins. */
function personEvent(seq: number): EventRecord {
  const at = Date.now();
  const content = [{ type: 'text', text: `Question ${seq}` }];
  const data = JSON.stringify({
    messageId: `p${seq}`,
    content,
    deviceId: 'bench',
    promptId: `p${seq}`,
  });
  return { seq, type: 'humanMessage', at, data, messageId: `p${seq}` };
}

export interface WrittenSession {
  sessionId: SessionId;
  directory: string;
  events: number;
  /** Of each event's text. */
  bytes: number;
  /** Not closed, and hibernated. */
  open?: boolean;
  /** Every other event is of a person. */
  turns?: boolean;
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
  for (const { sessionId, directory, events, bytes, open = false, turns = false } of sessions) {
    const record = recordOf({ sessionId, owner, directory, open });
    const eventAt = (seq: number) => (turns && seq % 2 === 1 ? personEvent(seq) : messageEvent(seq, bytes));
    for (let seq = 1; seq <= events; seq += EVENTS_IN_COMMIT) {
      const length = Math.min(EVENTS_IN_COMMIT, events - seq + 1);
      const some = Array.from({ length }, (_, index) => lineOf(eventAt(seq + index), sessionId));
      journal.commit({ record, events: some, prompts: [], permissions: [] });
    }
  }
  const [first] = sessions;
  for (const { deviceId, missed } of devices) {
    const device: DeviceRef = { userId: owner, deviceId: deviceId as DeviceId };
    cursors.writeSubscription(device, { events: ['*'], all: false, acknowledges: true });
    if (!first) continue;
    cursors.writeCursors(device, new Map([[first.sessionId, { seq: first.events - missed, epoch }]]));
  }
  await journal.close();
}

/** Lines are told apart by their child. */
function lineOf(event: EventRecord, childId: string): EventRecord {
  return { ...event, ...(event.line && { line: { ...event.line, childId } }) };
}
