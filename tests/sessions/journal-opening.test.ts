import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { SessionId } from '../../protocol/scalars.js';
import type { KeptChange, UserId } from '../../services/ports/records.js';
import { JournalDamaged } from '../../services/record/damage/damage-guard.js';
import { JournalUnusableError } from '../../services/record/damage/salvage.js';
import { openJournal } from '../../services/record/open-journal.js';
import { openMeta } from '../../services/record/sqlite/row-sums.js';
import { MIGRATIONS } from '../../services/record/sqlite/schema.js';
import { connect } from '../../services/record/sqlite/sqlite-database.js';

let folder: string;
let path: string;
let logged: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'companion-journal-'));
  path = join(folder, 'journal.db');
  logged = [];
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const silent = { debug: () => {}, info: () => {}, warn: () => {} };
const log = { ...silent, error: (message: string) => void logged.push(message) };

const open = (damage?: JournalDamaged) =>
  openJournal({ path, bootId: 'boot', log, onDamage: () => {}, ...(damage && { damage }) }).journal;

const sessionId = 'session' as SessionId;
const record = {
  sessionId,
  owner: 'owner' as UserId,
  directory: '/',
  directoryKey: '1:1',
  messageCount: 0,
  totalCost: 0,
  createdAt: 0,
  updatedAt: 0,
  lastActivity: 0,
};

const change = (seq: number): KeptChange => ({
  record,
  events: [{ seq, type: 'sessionStatus', at: seq, data: `{"text":"event ${seq}"}` }],
  prompts: [],
  permissions: [],
});

const ALL = { sessionId, after: 0, limit: 100 };
const DAMAGE = new JournalDamaged('found in use');

test('D3: a journal from before there were sums goes on in its epoch; what is new in it is checked', async () => {
  const old = connect(path);
  old.exec(MIGRATIONS[0] ?? '');
  old.pragma('user_version = 1');
  old.exec(`INSERT INTO meta VALUES ('epoch', 'old-epoch');
    INSERT INTO sessions VALUES ('session', 1, '${JSON.stringify(record)}');
    INSERT INTO events (session_id, seq, type, at, data) VALUES ('session', 1, 'sessionStatus', 1, '{"text":"event 1"}')`);
  old.close();
  const journal = open();
  expect(journal.epoch).toBe('old-epoch');
  journal.commit(change(2));
  await journal.close();
  const bytes = readFileSync(path);
  bytes[bytes.indexOf('event 2')] = 'E'.charCodeAt(0);
  writeFileSync(path, bytes);
  const again = open();
  expect(again.readEvents({ ...ALL, limit: 1 })).toHaveLength(1);
  expect(() => again.readEvents(ALL)).toThrow(JournalDamaged);
  expect(() => again.commit(change(3))).toThrow(JournalDamaged);
  await again.close();
  const mended = open(DAMAGE);
  expect(mended.readEvents(ALL)).toEqual([expect.objectContaining({ seq: 1, data: '{"text":"event 1"}' })]);
  expect(mended.epoch).not.toBe('old-epoch');
  await mended.close();
});

test('D1: a mark that cannot be written stops no commit', async () => {
  mkdirSync(join(folder, 'journal.mark'));
  const journal = open();
  journal.commit(change(1));
  expect(journal.readEvents(ALL)).toHaveLength(1);
  await journal.close();
});

test('the mark and the journals that are put aside are their owner’s alone, and of those there are two at most', async () => {
  for (let round = 0; round < 4; round += 1) {
    const journal = open(round > 0 ? DAMAGE : undefined);
    journal.commit(change(round + 1));
    await journal.close();
  }
  const names = readdirSync(folder);
  expect(names.filter((name) => /damaged-.*Z$/.test(name))).toHaveLength(2);
  expect(names).toContain('journal.mark');
  for (const name of names) expect(statSync(join(folder, name)).mode & 0o077).toBe(0);
  const journal = open();
  expect(journal.readEvents(ALL)).toHaveLength(4);
  await journal.close();
});

test('a salvage that was cut short at its very end is finished by the next start', async () => {
  const journal = open();
  journal.commit(change(1));
  await journal.close();
  renameSync(path, `${path}.salvaged`);
  const next = open();
  expect(next.readEvents(ALL)).toHaveLength(1);
  await next.close();
});

test('a damaged journal that cannot be rebuilt is left as it is, and the error says so', async () => {
  const journal = open();
  journal.commit(change(1));
  await journal.close();
  const before = readFileSync(path);
  mkdirSync(join(`${path}.salvaging`, 'in-the-way'), { recursive: true });
  expect(() => open(DAMAGE)).toThrow(JournalUnusableError);
  expect(() => open(DAMAGE)).toThrow(/damaged and cannot be rebuilt \(.+\). The file is unchanged/);
  expect(readFileSync(path)).toEqual(before);
});

test('what is logged of damage is loud, and holds nothing of what was said', async () => {
  const journal = open();
  journal.commit(change(1));
  await journal.close();
  await open(DAMAGE).close();
  expect(logged).toEqual(['the journal is damaged', 'the journal was rebuilt from what is whole of it']);
  expect(logged.join()).not.toContain('event 1');
});

test('a journal of a newer version is refused, and one whose version was altered is mended', async () => {
  const made = open();
  made.commit(change(1));
  await made.close();
  const newer = connect(path);
  newer.pragma('user_version = 99');
  newer.close();
  const mended = open();
  expect(mended.epoch).not.toBe(made.epoch);
  expect(mended.readEvents(ALL)).toHaveLength(1);
  await mended.close();
  const really = connect(path);
  really.pragma('user_version = 99');
  openMeta(really).set('schema', '99');
  really.close();
  expect(() => open()).toThrow(/newer version/);
});
