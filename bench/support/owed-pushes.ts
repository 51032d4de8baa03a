/** Pushes that are owed before the daemon starts: requests that wait in sessions without a CLI, as if Apple had been out of reach. */
import { join } from 'node:path';
import type { EventData } from '../../protocol/events.js';
import type { DeviceId, PermissionId, SessionId } from '../../protocol/scalars.js';
import type { DeviceRef, EventRecord, PermissionRecord, UserId } from '../../services/ports/records.js';
import { pushesFor } from '../../services/push/outbox/push-record.js';
import { readBootId } from '../../services/record/damage/epoch.js';
import { openDatabase } from '../../services/record/sqlite/schema.js';
import { createSqliteJournal } from '../../services/record/sqlite/sqlite-journal.js';
import { recordOf } from './written-journal.js';

export interface OwedPushes {
  /** `COMPANION_HOME`, of a daemon that does not run. */
  home: string;
  owner: UserId;
  deviceIds: readonly string[];
  sessions: readonly { sessionId: SessionId; directory: string }[];
  /** In each session. */
  requests: number;
  /** Epoch milliseconds: all fall due at once. */
  dueAt: number;
}

/** Long enough ago for no device to be waited for. */
const AGE_MS = 60_000;
const COMMAND = 'npm test -- --runInBand tests/wire/conversation.test.ts';

/** One push for each request and device, as the daemon's own code writes them. */
export async function writeOwedPushes({ home, owner, deviceIds, sessions, requests, dueAt }: OwedPushes) {
  const database = openDatabase(join(home, 'journal.db'));
  const journal = createSqliteJournal({ database, bootId: readBootId() });
  const devices: DeviceRef[] = deviceIds.map((deviceId) => ({ userId: owner, deviceId: deviceId as DeviceId }));
  const at = Date.now() - AGE_MS;
  for (const { sessionId, directory } of sessions) {
    const record = recordOf({ sessionId, owner, directory, open: true });
    const asked = Array.from({ length: requests }, (_, nth) => permissionOf(sessionId, nth + 1, at));
    const events = asked.map((permission, nth) => eventOf(permission, nth + 1));
    const found = pushesFor(record, events, { devices: () => devices, epoch: journal.epoch, now: at });
    const pushes = found.map((push) => ({ ...push, attempts: 1, reason: 'no connection', nextTry: dueAt }));
    journal.commit({ record, events, prompts: [], permissions: asked }, () => pushes);
  }
  await journal.close();
}

const permissionOf = (sessionId: SessionId, nth: number, createdAt: number): PermissionRecord => ({
  permissionId: `toolu_${String(nth).padStart(24, '0')}` as PermissionId,
  sessionId,
  childId: 'bench',
  ask: { requestId: `r${nth}`, toolUseId: `t${nth}`, toolName: 'Bash', input: { command: COMMAND } },
  createdAt,
});

function eventOf({ permissionId, sessionId, createdAt }: PermissionRecord, seq: number): EventRecord {
  const data: EventData<'permissionRequest'> = {
    permissionId,
    sessionId,
    kind: 'tool',
    toolName: 'Bash',
    toolInput: { command: COMMAND },
    prompt: `Allow Bash: ${COMMAND}?`,
    options: ['allow', 'deny'],
    default: 'deny',
    defaultOption: 'deny',
    timeout: 0,
  };
  return { seq, type: 'permissionRequest', at: createdAt, data: JSON.stringify(data) };
}
