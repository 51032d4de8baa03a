/** A long journal of the schema before messages had an index, and how long others wait while it gets one. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turnOfOthers } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type { SessionId } from '../../../protocol/scalars.js';
import { openJournal } from '../../../services/record/open-journal.js';
import { insertInto, SUMMED_COLUMNS, summedValues, withSum } from '../../../services/record/sqlite/row-sums.js';
import type { SessionRow } from '../../../services/record/sqlite/rows.js';
import { connect } from '../../../services/record/sqlite/sqlite-database.js';

const FIXTURE = join(import.meta.dirname, '../fixtures/journal-schema-6.db.gz');
export const LONG_SESSION = 'one' as SessionId;
const BLOCKS = 2;
const BATCH = 10_000;
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Writes a journal with so many messages of 1 KiB in one session; resolves with the head of that. */
export function writeLongJournal(path: string, messages: number): number {
  writeFileSync(path, gunzipSync(readFileSync(FIXTURE)));
  return lengthen(path, messages);
}

/** Says so much more in a session of the fixture, with the columns of its schema. */
function lengthen(path: string, messages: number): number {
  const database = connect(path);
  const session = database
    .prepare<[string], SessionRow>('SELECT * FROM sessions WHERE session_id = ?')
    .get(LONG_SESSION);
  if (!session) throw new Error('the fixture has no such session');
  const event = database.prepare(insertInto('events'));
  const text = 'x'.repeat(1024);
  let { head } = session;
  const add = database.transaction((from: number, to: number) => {
    for (let message = from; message < to; message += 1) {
      for (let block = 0; block < BLOCKS; block += 1) {
        head += 1;
        const data = { messageId: `long-${message}`, blockIndex: block, content: [{ type: 'text', text }] };
        const row = {
          session_id: LONG_SESSION,
          seq: head,
          type: 'assistantMessage',
          at: head,
          message_id: data.messageId,
        };
        event.run(summedValues('events', { ...nothing, ...row, data: JSON.stringify(data), bytes_before: 0 }));
      }
    }
  });
  const nothing = Object.fromEntries(SUMMED_COLUMNS.events.map((column) => [column, null]));
  for (let from = 0; from < messages; from += BATCH) add(from, Math.min(from + BATCH, messages));
  const update = 'UPDATE sessions SET head = @head, sum = @sum WHERE session_id = @session_id';
  database.prepare(update).run(withSum('sessions', { ...session, head }));
  // It was made elsewhere, and is not in doubt for that.
  database.exec(`DELETE FROM meta WHERE key = 'file'`);
  database.close();
  return head;
}

export function openLongJournal(path: string) {
  const checkpointScript = fileURLToPath(new URL('../../../dist/server/checkpoint-worker.js', import.meta.url));
  return openJournal({ path, bootId: 'boot', log: silent, checkpointScript, onDamage: () => {} }).journal;
}

/** How long others waited for each of their turns while this was done, in milliseconds by `clock`, longest first. */
export async function waitsDuring(work: Promise<unknown>, clock: () => number): Promise<number[]> {
  let isDone = false;
  const ended = work.finally(() => {
    isDone = true;
  });
  const waits: number[] = [];
  while (!isDone) {
    const began = clock();
    await turnOfOthers();
    waits.push(clock() - began);
  }
  await ended;
  return waits.sort((a, b) => b - a);
}
