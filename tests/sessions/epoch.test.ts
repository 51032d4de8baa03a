import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { DeviceId, SessionId } from '../../protocol/scalars.js';
import type { UserId } from '../../services/ports/records.js';
import { openJournal } from '../../services/record/open-journal.js';
import { openDatabase } from '../../services/record/sqlite/schema.js';
import { createSqliteJournal } from '../../services/record/sqlite/sqlite-journal.js';
import { newPrompt } from '../../services/sessions/new-prompt.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'companion-epoch-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (bootId: string) => createSqliteJournal({ database: openDatabase(join(folder, 'journal.db')), bootId });

/** The journal as a daemon leaves it that was killed: committed, not closed. */
function crash(bootId: string): string {
  const database = openDatabase(join(folder, 'journal.db'));
  const { epoch } = createSqliteJournal({ database, bootId });
  database.close();
  return epoch;
}

test('D3: an epoch outlives restarts and the daemon’s death, as long as the machine runs', async () => {
  const first = open('boot 1');
  await first.close();
  expect(crash('boot 1')).toBe(first.epoch);
  expect(crash('boot 1')).toBe(first.epoch);
  const later = open('boot 1');
  expect(later.epoch).toBe(first.epoch);
  await later.close();
  const afterCleanEnd = open('boot 2');
  expect(afterCleanEnd.epoch).toBe(first.epoch);
  await afterCleanEnd.close();
});

test('D3: a machine that went down while the journal was open begins a new epoch, once', async () => {
  const epoch = crash('boot 1');
  const next = open('boot 2');
  expect(next.epoch).not.toBe(epoch);
  await next.close();
  const again = open('boot 3');
  expect(again.epoch).toBe(next.epoch);
  await again.close();
});

test('a journal can be synced as often and as concurrently as anybody likes', async () => {
  const journal = open('boot');
  await Promise.all(Array.from({ length: 50 }, () => journal.sync()));
  await journal.sync();
  await journal.close();
});

test('I1: a machine that went down loses no prompt that waits, whatever became of the mark', async () => {
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const openAfter = (bootId: string) =>
    openJournal({ path: join(folder, 'journal.db'), bootId, log, onDamage: () => {} }).journal;
  const sessionId = 'session' as SessionId;
  const device = { userId: 'user' as UserId, deviceId: 'phone' as DeviceId };
  const slots = { sessionId, owner: device.userId, directory: folder, directoryKey: '1:1' };
  const record = { ...slots, messageCount: 0, totalCost: 0, createdAt: 0, updatedAt: 0, lastActivity: 0 };
  const prompt = newPrompt({ sessionId, device, requestId: 'one', text: 'hello', now: 1 });
  const first = openAfter('boot 1');
  first.commit({ record, events: [], prompts: [prompt], permissions: [] });
  rmSync(join(folder, 'journal.mark'));
  const next = openAfter('boot 2');
  expect(next.epoch).not.toBe(first.epoch);
  expect(next.loadSessions()[0]?.prompts).toEqual([prompt]);
  for (const journal of [first, next]) await journal.close();
});
