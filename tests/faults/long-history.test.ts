/** A conversation of very many messages: its pages cost no more than those of a short one, and its export no memory. */
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from '@jest/globals';
import type { SessionId } from '../../protocol/scalars.js';
import { searchResultsSchema } from '../../protocol/search.js';
import type { EventRecord } from '../../services/ports/records.js';
import { readBootId } from '../../services/record/damage/epoch.js';
import { openDatabase } from '../../services/record/sqlite/schema.js';
import { createSqliteJournal } from '../../services/record/sqlite/sqlite-journal.js';
import { useWorld } from '../support/world.js';
import { residentOf } from './support/memory.js';

const MESSAGES = 50_000;
const TEXT = 'A sentence of a long conversation. '.repeat(8);
const IN_COMMIT = 500;
/** What an export may make the daemon hold: the pieces ahead, the pages that are read, garbage. The text is 14 MB. */
const MOST_BYTES = 64 * 1024 * 1024;

const world = useWorld({ environment: { RETENTION_EVENTS: '1000000', RETENTION_BYTES: '1000000000' } });
let sessionId = '';

const eventOf = (seq: number): EventRecord => {
  const isHuman = seq % 10 === 1;
  const messageId = `message-${seq}`;
  const said = { messageId, content: [{ type: 'text', text: `${seq} ${TEXT}` }] };
  const data = isHuman
    ? { ...said, deviceId: 'terminal', promptId: messageId }
    : { type: 'assistant', ...said, blockIndex: 0, timestamp: new Date(seq).toISOString() };
  return { seq, type: isHuman ? 'humanMessage' : 'assistantMessage', at: seq, messageId, data: JSON.stringify(data) };
};

/** Without a pause, a busy machine takes more requests for it than the daemon allows. */
const POLL_MS = 100;

async function isIndexed(): Promise<boolean> {
  // The word matches nothing: ranking 50,000 matches can exceed the deadline of a search on a busy machine.
  const found = await world.daemon.fetch('/api/search?q=nowhere&limit=1');
  const answer: unknown = await found.json();
  expect(answer).toMatchObject({ results: [] });
  return searchResultsSchema.parse(answer).complete;
}

beforeAll(async () => {
  const client = await world.connect();
  const workingDirectory = world.daemon.project('long');
  ({ sessionId } = (await client.request('streamStart', { prompt: '', workingDirectory })).data);
  await world.daemon.fetch(`/api/sessions/${sessionId}`, { method: 'DELETE' });
  await world.daemon.kill('SIGTERM');
  const database = openDatabase(`${world.daemon.home}/journal.db`);
  const journal = createSqliteJournal({ database, bootId: readBootId() });
  const stored = journal.loadSessions().find(({ record }) => record.sessionId === sessionId);
  if (!stored) throw new Error('the session is gone');
  const { record, head } = stored;
  for (let at = 0; at < MESSAGES; at += IN_COMMIT) {
    const events = Array.from({ length: IN_COMMIT }, (_, index) => eventOf(head + at + index + 1));
    journal.commit({ record: { ...record, sessionId: sessionId as SessionId }, events, prompts: [], permissions: [] });
  }
  await journal.close();
  await world.daemon.start();
  // The thread of the search has a memory of its own, which is not that of an export: it has to be done before.
  while (!(await isIndexed())) await delay(POLL_MS);
});

const get = async <T>(path: string): Promise<T> => {
  const response = await world.daemon.fetch(`/api/sessions/${sessionId}/${path}`);
  expect(response.status).toBe(200);
  return (await response.json()) as T;
};

describe(`${MESSAGES} messages`, () => {
  test('are counted, and the first and the last page are there', async () => {
    const first = await get<{ totalCount: number; messages: object[] }>('messages?limit=10');
    expect(first).toMatchObject({ totalCount: MESSAGES, messages: { length: 10 } });
    const deep = await get<{ messages: object[]; hasMore: boolean }>(`messages?limit=10&offset=${MESSAGES - 5}`);
    expect(deep).toMatchObject({ hasMore: false, messages: { length: 5 } });
    const past = await get<{ total: number; prompts: object[] }>(`history?limit=5&offset=${MESSAGES / 10 - 2}`);
    expect(past).toMatchObject({ total: MESSAGES / 10, prompts: { length: 2 } });
  });

  test.each(['markdown', 'json', 'jsonl'])('are exported as %s in flat memory, each once', async (format) => {
    const before = residentOf(world.daemon.pid);
    const response = await world.daemon.fetch(`/api/sessions/${sessionId}/export?format=${format}`);
    let most = 0;
    let found = 0;
    let rest = '';
    for await (const piece of Readable.fromWeb(response.body as never)) {
      const text = rest + Buffer.from(piece as Uint8Array).toString('latin1');
      found += text.match(/\d+ A sentence/g)?.length ?? 0;
      // A mark may be split between two pieces.
      rest = /(\d+ ?A? ?s?[a-z]{0,7})$/.exec(text)?.[1] ?? '';
      if (/\d+ A sentence$/.test(rest)) rest = '';
      most = Math.max(most, residentOf(world.daemon.pid) - before);
    }
    expect(found).toBe(MESSAGES);
    expect(most).toBeLessThan(MOST_BYTES);
  });
});
