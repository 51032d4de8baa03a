/** History costs its page, at any length, and is the same in journals that were written before it had an index. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turnOfOthers } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { SessionId } from '../../protocol/scalars.js';
import type { EventRecord } from '../../services/ports/records.js';
import { DamageGuard } from '../../services/record/damage/damage-guard.js';
import { createRetention, type Retention } from '../../services/record/retention/retention.js';
import { createTrim } from '../../services/record/retention/trim.js';
import { Extents } from '../../services/record/sqlite/extents.js';
import { openDatabase } from '../../services/record/sqlite/schema.js';
import type { SqliteDatabase } from '../../services/record/sqlite/sqlite-database.js';
import { createSqliteJournal, type SqliteJournal } from '../../services/record/sqlite/sqlite-journal.js';
import { countOf } from '../support/counts.js';
import { sessionRecord } from '../support/session-record.js';
import { waitUntil } from '../support/wait-until.js';

const sessionId = 'session' as SessionId;
const BLOCKS = 8000;

let folder: string;
let database: SqliteDatabase;
let extents: Extents;
let journal: SqliteJournal;

const open = () => {
  database = openDatabase(join(folder, 'journal.db'));
  extents = new Extents(database);
  journal = createSqliteJournal({ database, bootId: 'boot', extents });
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'companion-messages-'));
  open();
});

afterEach(async () => {
  await journal.close();
  rmSync(folder, { recursive: true });
});

interface Block {
  messageId: string;
  text: string;
  isOfSubagent?: boolean;
}

const eventOf = ({ messageId, text, isOfSubagent }: Block, seq: number): EventRecord => ({
  seq,
  type: 'assistantMessage',
  at: seq,
  messageId,
  data: JSON.stringify({
    type: 'assistant',
    messageId,
    blockIndex: seq,
    content: [{ type: 'text', text }],
    ...(isOfSubagent && { parentToolUseId: 'task' }),
  }),
});

const commit = (events: EventRecord[]) =>
  journal.commit({ record: sessionRecord(sessionId), events, prompts: [], permissions: [] });

const long = (): EventRecord[] =>
  Array.from({ length: BLOCKS }, (_, index) =>
    eventOf({ messageId: `message-${index}`, text: 'x'.repeat(1024), isOfSubagent: index % 2 === 1 }, index + 1),
  );

const indexedTo = () => database.prepare('SELECT seq FROM indexed_sessions').pluck().get() as number;

/** As a version without the index has left it. */
const forgetIndex = () => database.exec('DELETE FROM messages; DELETE FROM indexed_sessions');

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

const page = () => journal.readMessages({ sessionId, limit: 5, offset: 10, backwards: true });
const last = BLOCKS - 2 - 2 * 10;
const expected = [8, 6, 4, 2, 0].map((back) => `message-${last - back}`);

describe('a long conversation', () => {
  test('is read by its page, and no row beside it is looked at', async () => {
    commit(long());
    const plans: string[] = [];
    for (const sql of [
      'SELECT * FROM messages WHERE session_id = ? AND number BETWEEN 1 AND 2 ORDER BY number',
      'SELECT number FROM messages WHERE session_id = ? AND seq > 1 ORDER BY seq LIMIT 1',
      'SELECT number FROM messages WHERE session_id = ? AND seq < 1 ORDER BY seq DESC LIMIT 1',
      'SELECT * FROM events WHERE session_id = ? AND message_id = 1 AND seq >= 1 ORDER BY seq',
    ]) {
      const plan = database.prepare<[string], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(sessionId);
      plans.push(...plan.map(({ detail }) => detail));
    }
    expect(plans).toEqual(plans.map(() => expect.stringMatching(/^SEARCH \w+ USING (PRIMARY KEY|(COVERING )?INDEX)/)));
    await page();
    const { result, turns } = await turnsDuring(page());
    expect(turns).toBeLessThan(4);
    expect(result).toMatchObject({ total: BLOCKS / 2, hasBegun: true });
    expect(result.messages.map(({ id }) => id)).toEqual(expected);
  });

  test('that was never read is indexed once, and others have their turn meanwhile', async () => {
    commit(long());
    const first = await turnsDuring(Promise.all([page(), page()]));
    expect(first.turns).toBeGreaterThan(3);
    for (const { messages, total } of first.result) {
      expect([messages.map(({ id }) => id), total]).toEqual([expected, BLOCKS / 2]);
    }
    expect((await turnsDuring(page())).turns).toBeLessThan(4);
  });

  test('D1: is whole when more is said while it is indexed', async () => {
    commit(long());
    const reading = page();
    commit([
      eventOf({ messageId: 'message-0', text: 'late' }, BLOCKS + 1),
      eventOf({ messageId: 'new', text: 'new' }, BLOCKS + 2),
    ]);
    await reading;
    await expectAll();
  });

  test('D1: is whole when the daemon that indexed it died meanwhile', async () => {
    commit(long());
    const reading = page();
    await turnOfOthers();
    await journal.close();
    await expect(reading).rejects.toThrow('not open');
    open();
    expect(indexedTo()).toBeGreaterThan(0);
    expect(indexedTo()).toBeLessThan(BLOCKS);
    commit([
      eventOf({ messageId: 'message-0', text: 'late' }, BLOCKS + 1),
      eventOf({ messageId: 'new', text: 'new' }, BLOCKS + 2),
    ]);
    await expectAll();
  });

  async function expectAll() {
    const all = await journal.readMessages({ sessionId, limit: BLOCKS, offset: 0 });
    const ids = Array.from({ length: BLOCKS / 2 }, (_, index) => `message-${2 * index}`);
    expect(all.messages.map(({ id }) => id)).toEqual([...ids, 'new']);
    expect(all.messages[0]?.content).toMatchObject([{}, { text: 'late' }]);
    expect(all.total).toBe(BLOCKS / 2 + 1);
    const newest = await journal.readNewestMessages(sessionId, 2);
    expect(newest.map(({ id }) => id)).toEqual([`message-${BLOCKS - 2}`, 'new']);
  }
});

test('a journal of schema 6 shows what it has, and goes on', async () => {
  await journal.close();
  const fixture = gunzipSync(readFileSync(join(import.meta.dirname, 'fixtures/journal-schema-6.db.gz')));
  writeFileSync(join(folder, 'journal.db'), fixture);
  open();
  for (const name of ['one', 'two']) {
    const id = name as SessionId;
    const { messages, total } = await journal.readMessages({ sessionId: id, limit: 3, offset: 1 });
    expect(total).toBe(20);
    expect(messages).toMatchObject([
      {
        id: `${name}-answer-0`,
        type: 'assistant',
        content: [{ text: 'Answer 0, block 1' }, { text: 'Answer 0, block 2' }],
      },
      { id: `${name}-human-1`, type: 'user', content: [{ text: 'Question 1' }] },
      { id: `${name}-answer-1` },
    ]);
    const [newest] = await journal.readNewestMessages(id, 1);
    expect(newest).toMatchObject({ id: `${name}-answer-9` });
  }
});

/** What the events say, without an index. */
function modelOf(events: readonly EventRecord[]) {
  const messages = new Map<string, string[]>();
  for (const { messageId = '', data } of events) {
    const { content, parentToolUseId } = JSON.parse(data) as { content: { text: string }[]; parentToolUseId?: string };
    const known = messages.get(messageId);
    if (known) known.push(content[0]?.text ?? '');
    else if (parentToolUseId === undefined) messages.set(messageId, [content[0]?.text ?? '']);
  }
  return [...messages];
}

const block = fc.record({
  messageId: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
  text: fc.string({ maxLength: 3 }),
  isOfSubagent: fc.boolean(),
});
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('say' as const), blocks: fc.array(block, { maxLength: 4 }) }) },
  fc.record({ kind: fc.constant('trim' as const), keep: fc.integer({ min: 1, max: 8 }) }),
  fc.record({ kind: fc.constant('forgetIndex' as const) }),
  fc.record({ kind: fc.constant('read' as const) }),
  fc.record({ kind: fc.constant('reopen' as const) }),
);

type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

/** What retention does with all that exceeds so many events. */
function trimTo(keep: number): void {
  const limits = { days: 1e6, events: keep, bytes: 1e12 };
  const trim = createTrim({ database, extents, limits });
  while (trim(sessionId, 0).more);
}

const inOrder = (rows: unknown[]) => rows.map((row) => JSON.stringify(row)).sort();

/** What is said and done to a journal, and what its history has to be. */
class Run {
  readonly #events: EventRecord[] = [];
  readonly #mayMix: boolean;
  #isTrimmed = false;

  /** `mayMix`: messages that are partly of a subagent, which no CLI sends. Removal makes them ambiguous. */
  constructor({ mayMix }: { mayMix: boolean }) {
    this.#mayMix = mayMix;
  }

  async take(one: Step): Promise<void> {
    if (one.kind === 'say') return this.#say(one.blocks);
    if (one.kind === 'read') return this.read();
    if (one.kind === 'reopen') {
      await journal.close();
      open();
      return;
    }
    if (one.kind === 'forgetIndex') forgetIndex();
    else this.#trim(one.keep);
  }

  async #say(blocks: Block[]): Promise<void> {
    const said = blocks.map(({ isOfSubagent = false, ...block }, index) =>
      eventOf({ ...block, isOfSubagent: this.#mayMix && isOfSubagent }, this.#events.length + index + 1),
    );
    this.#events.push(...said);
    commit(said);
  }

  #trim(keep: number): void {
    this.#isTrimmed = true;
    trimTo(keep);
  }

  async read(): Promise<void> {
    const { first } = extents.of(sessionId);
    const model = modelOf(this.#events.filter(({ seq }) => seq >= first));
    const { messages, total } = await journal.readMessages({ sessionId, limit: 100, offset: 0 });
    const shown = messages.map(({ id, content }) => [id, content.map((one) => ('text' in one ? one.text : ''))]);
    // A message that lost its beginning keeps its place; a rebuilt index goes by what is left.
    if (this.#isTrimmed) expect(inOrder(shown)).toEqual(inOrder(model));
    else expect(shown).toEqual(model);
    expect(total).toBe(model.length);
    const { messages: back } = await journal.readMessages({ sessionId, limit: 2, offset: 1, backwards: true });
    expect(back).toEqual(messages.slice(-3, -1));
  }
}

test('D1: whatever was said and removed, and whenever it was indexed, history is what the events say', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
      await journal.forget(sessionId);
      const run = new Run({ mayMix: steps.every(({ kind }) => kind !== 'trim') });
      for (const one of steps) await run.take(one);
      await run.read();
    }),
    { numRuns: countOf({ full: 5000, fast: 25 }) },
  );
});

test('a message that loses its beginning to retention begins with what is left of it', async () => {
  let retention: Retention | undefined;
  await journal.close();
  database = openDatabase(join(folder, 'journal.db'));
  const guard = new DamageGuard(() => {});
  extents = new Extents(database);
  journal = createSqliteJournal({
    database,
    bootId: 'boot',
    guard,
    extents,
    onGrown: (id, extent) => retention?.onGrown(id, extent),
  });
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  retention = createRetention({
    database,
    extents,
    guard,
    blobs: journal.blobs,
    limits: { days: 365, events: 3, bytes: 1e9 },
    now: () => 1000,
    onExpired: () => {},
    log,
  });
  commit(
    ['gone', 'half', 'half', 'half', 'whole'].map((id, index) =>
      eventOf({ messageId: id, text: `${index}` }, index + 1),
    ),
  );
  const read = () => journal.readMessages({ sessionId, limit: 10, offset: 0 });
  await waitUntil('the oldest are gone', async () => (await read()).total === 2);
  const { messages } = await read();
  expect(messages).toMatchObject([
    { id: 'half', seq: 3, content: [{ text: '2' }, { text: '3' }] },
    { id: 'whole', seq: 5 },
  ]);
  await retention.close();
});
