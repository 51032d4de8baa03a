/** A long conversation is read while everything else goes on. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turnOfOthers } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { SessionId } from '../../protocol/scalars.js';
import { openDatabase } from '../../services/journal/open-database.js';
import { createSqliteJournal, type SqliteJournal } from '../../services/journal/sqlite-journal.js';
import { sessionRecord } from '../support/session-record.js';

const sessionId = 'session' as SessionId;
const BLOCKS = 8000;

let folder: string;
let journal: SqliteJournal;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'companion-messages-'));
  journal = createSqliteJournal({ database: openDatabase(join(folder, 'journal.db')), bootId: 'boot' });
  const events = Array.from({ length: BLOCKS }, (_, index) => ({
    seq: index + 1,
    type: 'assistantMessage' as const,
    at: index,
    messageId: `message-${index}`,
    data: JSON.stringify({
      type: 'assistant',
      messageId: `message-${index}`,
      blockIndex: 0,
      content: [{ type: 'text', text: 'x'.repeat(1024) }],
      ...(index % 2 === 1 && { parentToolUseId: 'task' }),
    }),
  }));
  await journal.commit({ record: sessionRecord(sessionId), events, prompts: [], permissions: [] });
});

afterEach(async () => {
  await journal.close();
  rmSync(folder, { recursive: true });
});

/** How often others have their turn until this is done. */
async function turnsDuring<T>(work: Promise<T>): Promise<{ result: T; turns: number }> {
  let turns = 0;
  let isDone = false;
  const ended = work.finally(() => {
    isDone = true;
  });
  for (; !isDone; turns += 1) await turnOfOthers();
  return { result: await ended, turns };
}

test('others have their turn while a page of a long conversation is read, and it is the right page', async () => {
  const page = journal.readMessages({ sessionId, limit: 5, offset: 10, backwards: true });
  const { result, turns } = await turnsDuring(page);
  expect(turns).toBeGreaterThan(3);
  expect(result).toMatchObject({ total: BLOCKS / 2, hasBegun: true });
  const last = BLOCKS - 2 - 2 * 10;
  expect(result.messages.map(({ id }) => id)).toEqual([8, 6, 4, 2, 0].map((back) => `message-${last - back}`));
});

test('no more messages are read than a page can hold', async () => {
  const { messages, total } = await journal.readMessages({ sessionId, limit: 1000, offset: 0, bytes: 10_000 });
  expect(total).toBe(BLOCKS / 2);
  expect(messages.length).toBeGreaterThan(5);
  expect(messages.length).toBeLessThan(12);
  expect(messages[0]?.id).toBe('message-0');
});

test('what is removed while the messages are looked up is left out, and is no damage', async () => {
  const page = journal.readMessages({ sessionId, limit: 1000, offset: 0 });
  await journal.forget(sessionId);
  expect((await page).messages.length).toBeLessThan(1000);
  expect(await journal.readMessages({ sessionId, limit: 9, offset: 0 })).toEqual({
    messages: [],
    total: 0,
    hasBegun: false,
  });
});
