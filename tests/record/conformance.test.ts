/** The record keeps the promises of its port in every state in which a daemon can find it. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { SessionId } from '../../protocol/scalars.js';
import { DamageGuard, JournalDamaged } from '../../services/record/damage/damage-guard.js';
import { openJournal } from '../../services/record/open-journal.js';
import { createTrim } from '../../services/record/retention/trim.js';
import { createSqliteAnswers } from '../../services/record/sqlite/answers.js';
import { createSqliteCursors } from '../../services/record/sqlite/cursors.js';
import { Extents } from '../../services/record/sqlite/extents.js';
import { createSqliteOutbox } from '../../services/record/sqlite/outbox.js';
import { withSum } from '../../services/record/sqlite/row-sums.js';
import { openDatabase } from '../../services/record/sqlite/schema.js';
import { connect } from '../../services/record/sqlite/sqlite-database.js';
import { createSqliteJournal } from '../../services/record/sqlite/sqlite-journal.js';
import { sessionRecord } from '../support/session-record.js';
import { pushTo } from './record-samples.js';
import { type OpenRecord, testRecord } from './record-suite.js';

const FIXTURES = join(import.meta.dirname, 'fixtures');
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

let folder: string;
let opened: OpenRecord;

const path = () => join(folder, 'journal.db');

/** The record, and faults of its disk. */
function open(): OpenRecord {
  const database = openDatabase(path());
  const guard = new DamageGuard(() => {});
  const extents = new Extents(database);
  const journal = createSqliteJournal({ database, bootId: 'boot', guard, extents });
  return {
    journal,
    cursors: createSqliteCursors(database, guard),
    outbox: createSqliteOutbox(database, guard),
    answers: createSqliteAnswers(database, guard),
    trim: (sessionId, events) => {
      const trim = createTrim({ database, extents, limits: { days: 1e6, events, bytes: 1e12 } });
      while (trim(sessionId, 0).more);
    },
    fill: (how) => {
      if (how === 'at once') database.pragma('query_only = ON');
      else database.pragma(`max_page_count = ${Number(database.pragma('page_count', { simple: true })) + 5}`);
    },
    makeRoom: () => {
      database.pragma('query_only = OFF');
      database.pragma('max_page_count = 4294967294');
    },
    close: () => journal.close(),
    abandon: async () => {
      await journal.abandon();
      database.close();
    },
  };
}

/** Sessions of others, which the tests leave alone. */
function talk(): void {
  for (const name of ['before', 'also-before']) {
    const events = Array.from({ length: 200 }, (_, index) => ({
      seq: index + 1,
      type: 'assistantMessage' as const,
      at: index,
      messageId: `${name}-${index}`,
      data: JSON.stringify({ messageId: `${name}-${index}`, content: [{ type: 'text', text: 'x'.repeat(200) }] }),
    }));
    opened.journal.commit({ record: sessionRecord(name), events, prompts: [], permissions: [] });
  }
}

async function salvaged(): Promise<void> {
  opened = open();
  talk();
  await opened.close();
  const database = connect(path());
  database.prepare(`UPDATE events SET data = '{}' WHERE session_id = 'before' AND seq = 100`).run();
  database.close();
  const damage = new JournalDamaged('a row is another one');
  const { journal } = openJournal({ path: path(), bootId: 'boot', log: silent, onDamage: () => {}, damage });
  const lost = journal.loadSessions().filter(({ head }) => head < 200);
  expect(lost).toHaveLength(1);
  await journal.close();
}

async function restarted(): Promise<void> {
  opened = open();
  talk();
  await opened.abandon();
}

const fixtures = readdirSync(FIXTURES).filter((name) => name.endsWith('.db.gz'));

const STATES: [string, () => void | Promise<void>][] = [
  ['that is new', () => {}],
  ...fixtures.map((name): [string, () => void] => [
    `migrated from ${name}`,
    () => writeFileSync(path(), gunzipSync(readFileSync(join(FIXTURES, name)))),
  ]),
  ['that was salvaged', salvaged],
  ['whose daemon was killed', restarted],
];

afterEach(async () => {
  await opened.close();
  rmSync(folder, { recursive: true });
});

describe.each(STATES)('a record %s', (_state, prepare) => {
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'companion-record-'));
    await prepare();
    opened = open();
  });

  const blobFolder = () => `${path()}.blobs`;
  testRecord({
    record: () => opened,
    reopen: () => {
      opened = open();
    },
    spoil: (id, how) => {
      const file = join(blobFolder(), id);
      if (how === 'removed') return rmSync(file);
      const bytes = readFileSync(file);
      bytes.writeUInt8(bytes.readUInt8(0) ^ 1);
      writeFileSync(file, bytes);
    },
    blobs: () => (existsSync(blobFolder()) ? readdirSync(blobFolder()).sort() : []),
  });
});

describe('a record with a broken index', () => {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'companion-record-'));
    opened = open();
  });

  test('D1: a place that is taken by a row that belongs elsewhere is damage', async () => {
    const sessionId = 'session' as SessionId;
    const event = (seq: number) => ({ seq, type: 'error' as const, at: 0, data: '{}' });
    const commit = (seq: number) =>
      opened.journal.commit({ record: sessionRecord(sessionId), events: [event(seq)], prompts: [], permissions: [] });
    for (const seq of [1, 2, 3]) commit(seq);
    await opened.close();
    misplace(3, 9);
    opened = open();
    expect(() => commit(3)).toThrow(JournalDamaged);
  });
});

describe('a record in which a push was altered', () => {
  test('P1: saves the others, under a new epoch', async () => {
    folder = mkdtempSync(join(tmpdir(), 'companion-record-'));
    opened = open();
    const { journal } = opened;
    const [altered, whole] = [pushTo(journal, 'phone'), pushTo(journal, 'tablet')];
    const change = { record: sessionRecord('session'), events: [], prompts: [], permissions: [] };
    journal.commit(change, () => [altered, whole]);
    await opened.close();
    const database = connect(path());
    database.prepare(`UPDATE pushes SET device_id = 'other' WHERE push_id = ?`).run(altered.pushId);
    database.close();
    const saved = openJournal({ path: path(), bootId: 'boot', log: silent, onDamage: () => {} });
    expect(saved.journal.epoch).not.toBe(journal.epoch);
    expect(saved.outbox.readOpen()).toEqual([whole]);
    await saved.journal.close();
    opened = open();
  });
});

/** Gives a row another seq, and leaves its entry in the index. */
function misplace(from: number, to: number): void {
  const hidden = connect(path());
  hidden.unsafeMode(true);
  hidden.pragma('writable_schema = ON');
  const entry = hidden.prepare(`SELECT * FROM sqlite_schema WHERE name = 'events_by_seq'`).get();
  hidden.exec(`DELETE FROM sqlite_schema WHERE name = 'events_by_seq'`);
  hidden.close();
  const database = connect(path());
  database.unsafeMode(true);
  database.pragma('writable_schema = ON');
  const row = database.prepare<[number], object>('SELECT * FROM events WHERE seq = ?').get(from);
  const moved = withSum('events', { ...row, seq: to });
  database.prepare('UPDATE events SET seq = @seq, sum = @sum WHERE seq = @from').run({ ...moved, from });
  database
    .prepare(
      'INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES (@type, @name, @tbl_name, @rootpage, @sql)',
    )
    .run(entry as object);
  database.close();
}
