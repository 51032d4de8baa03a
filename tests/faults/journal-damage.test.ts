/** The files of the journal cut and altered, byte by byte. The journal is one that a real daemon wrote. */
import { linkSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import type { SessionId } from '../../protocol/scalars.js';
import type { StoredSubscription } from '../../services/ports/cursors.js';
import type { PermissionRecord, PromptRecord, SessionRecord, UserId } from '../../services/ports/records.js';
import { readBootId } from '../../services/record/damage/epoch.js';
import { openJournal } from '../../services/record/open-journal.js';
import { countOf } from '../support/counts.js';
import { scenario } from '../support/scripted-api.js';
import { useWorld } from '../support/world.js';
import {
  type Asked,
  commitEnds,
  createJournalBench,
  type JournalBytes,
  type JournalView,
  readBytes,
} from './journal-bench.js';

const world = useWorld();
const PAGE = 4096;
const FRAME = PAGE + 24;
const HEADER_BYTES = 100;
const SEED = 20_240_717;

interface Case {
  what: string;
  bytes: JournalBytes;
}

interface Stage {
  asked: Asked;
  bytes: JournalBytes;
  view: JournalView;
  legit: Legit;
}

/** Everything that was ever committed, as text. */
interface Legit {
  records: Set<string>;
  prompts: Set<string>;
  permissions: Set<string>;
  cursors: Set<string>;
  subscriptions: Set<string>;
}

let bench: ReturnType<typeof createJournalBench>;
/** Killed in the middle of a turn, with a prompt that waits, a permission that is asked for and a write-ahead log. */
let killed: Stage;
/** Ended as it should be: all is in the database. */
let ended: Stage;

beforeAll(async () => {
  const { daemon } = world;
  const client = await world.connect({ deviceId: 'phone' });
  const other = await world.connect({ deviceId: 'tablet' });
  for (const one of [client, other]) await one.request('subscribe', { events: ['*'] });
  const say = (text: string) => scenario({ text: `${text} `.repeat(20) });
  const first = await client.request('streamStart', { prompt: say('One.'), workingDirectory: daemon.project() }, 'r1');
  const second = await other.request('streamStart', { prompt: say('Two.'), workingDirectory: daemon.project() }, 'r2');
  const idle = (sessionId: string) => (frame: { type: string; data: { sessionId: string; status: string } }) =>
    frame.type === 'sessionStatus' && frame.data.sessionId === sessionId && frame.data.status === 'idle';
  for (const { data } of [first, second]) await client.waitFor(idle(data.sessionId));
  const touch = scenario({ tools: [{ name: 'Bash', input: { command: 'touch made' } }] }, { text: 'Made.' });
  await client.request('streamSend', { sessionId: first.data.sessionId, prompt: touch }, 'r3');
  const { data: permission } = await client.waitFor('permissionRequest');
  const { sessionId, permissionId } = permission;
  await client.request('permission', { sessionId, permissionId, response: 'y', remember: false });
  await client.waitFor(({ type, data }) => type === 'streamComplete' && data.finalResult === 'Made.');
  const head = client.events(sessionId).at(-1)?.seq ?? 0;
  client.send('ack', { sessionId, seq: head });
  await client.request('ping', {});
  await daemon.restart('SIGTERM');

  const again = await world.connect({ deviceId: 'phone' });
  for (const id of ['r4', 'r5', 'r6']) {
    const { data } = await again.request('streamSend', { sessionId, prompt: say(`Reply ${id}.`) }, id);
    await again.waitFor(({ type, data: end }) => type === 'streamComplete' && end.promptId === data.promptId);
  }
  const ask = scenario(
    { text: 'Wait.', tools: [{ name: 'Bash', input: { command: 'touch more' } }] },
    { text: 'End.' },
  );
  await again.request('streamSend', { sessionId: second.data.sessionId, prompt: ask }, 'r7');
  await again.waitFor('permissionRequest');
  await again.request('streamSend', { sessionId: second.data.sessionId, prompt: say('Later.') }, 'r8');
  await daemon.kill('SIGKILL');

  const killedBytes = readBytes(daemon.home);
  await daemon.start();
  await daemon.kill('SIGTERM');
  const endedBytes = readBytes(daemon.home);
  const original = join(daemon.home, '../journal.original');
  linkSync(join(daemon.home, 'journal.db'), original);
  bench = createJournalBench(join(daemon.home, '../bench'), original);
  killed = await stageOf(killedBytes);
  ended = await stageOf(endedBytes);
}, 120_000);

async function stageOf(bytes: JournalBytes): Promise<Stage> {
  const [session] = bench.look(bytes).sessions;
  const requestIds = Array.from({ length: 9 }, (_, index) => `r${index + 1}`);
  const asked = { owner: session?.record.owner ?? '', devices: ['phone', 'tablet'], requestIds };
  const { view } = await bench.open(bytes, asked);
  return { asked, bytes, view, legit: legitOf(bytes) };
}

function legitOf(bytes: JournalBytes): Legit {
  const seen = [0, ...commitEnds(bytes.log)].map((length) =>
    bench.look({ ...bytes, log: bytes.log.subarray(0, length) }),
  );
  const sessions = seen.flatMap((one) => one.sessions);
  return {
    records: new Set(sessions.map(({ record }) => recordText(record))),
    prompts: new Set(seen.flatMap(({ prompts }) => prompts.map(promptText))),
    permissions: new Set(seen.flatMap(({ permissions }) => permissions.map(permissionText))),
    cursors: new Set(seen.flatMap((one) => one.cursors.map((row) => cursorText(String(row.device_id), row)))),
    subscriptions: new Set(seen.flatMap((one) => one.subscriptions.map(({ events }) => events))),
  };
}

/** Where the child's output is read on from may go back. */
const recordText = ({ child, ...record }: SessionRecord): string =>
  JSON.stringify({ ...record, child: child && { ...child, processed: 0, resume: 0 } });

/** One that waited may have been cancelled instead. */
const promptText = (prompt: PromptRecord): string =>
  JSON.stringify({ ...without(prompt, 'endedAt', 'attachments'), state: prompt.state.replace('cancelled', 'queued') });

/** An answer that was read may be taken for one that was not. */
const permissionText = (permission: PermissionRecord): string => JSON.stringify(without(permission, 'answer'));

const without = (record: object, ...fields: string[]): object =>
  Object.fromEntries(Object.entries(record).filter(([name]) => !fields.includes(name)));

const cursorText = (device: string, { session_id, seq, epoch }: Record<string, unknown>): string =>
  JSON.stringify([device, session_id, seq, epoch]);

/** Nothing is served that was not written, and in the old epoch nothing is missing. Returns what part of the events is there. */
function expectTrue(found: JournalView, { view, legit }: Stage): number {
  if (found.epoch === view.epoch) {
    expect(without(found, 'cursors')).toEqual(without(view, 'cursors'));
  }
  for (const { record, prompts, permissions } of found.sessions) {
    expect(legit.records).toContain(recordText(record));
    for (const one of prompts) expect(legit.prompts).toContain(promptText(one));
    for (const one of permissions) expect(legit.permissions).toContain(permissionText(one));
  }
  for (const [device, cursors] of Object.entries(found.cursors)) {
    for (const [session_id, cursor] of cursors as [string, object][]) {
      expect(legit.cursors).toContain(cursorText(device, { session_id, ...cursor }));
    }
  }
  for (const subscription of Object.values(found.subscriptions)) {
    if (subscription)
      expect(legit.subscriptions).toContain(JSON.stringify((subscription as StoredSubscription).events));
  }
  expectAnswersTrue(found, view);
  return expectEventsTrue(found, view);
}

function expectAnswersTrue(found: JournalView, view: JournalView): void {
  const answers = view.requests.map((prompt) => prompt && JSON.stringify((prompt as PromptRecord).answer));
  for (const [index, prompt] of found.requests.entries()) {
    if (prompt) expect(JSON.stringify((prompt as PromptRecord).answer)).toBe(answers[index]);
  }
}

/** Events are there in their order, numbered without a hole. */
function expectEventsTrue(found: JournalView, view: JournalView): number {
  let kept = 0;
  for (const [sessionId, events] of Object.entries(found.events)) {
    const written = (view.events[sessionId] ?? []).map((event) => JSON.stringify(without(event, 'seq')));
    let at = -1;
    for (const [index, event] of events.entries()) {
      expect(event.seq).toBe(index + 1);
      at = written.indexOf(JSON.stringify(without(event, 'seq')), at + 1);
      expect(at).toBeGreaterThanOrEqual(0);
    }
    kept += events.length;
  }
  const all = Object.values(view.events).reduce((sum, events) => sum + events.length, 0);
  return kept / all;
}

let random = SEED;
/** The same numbers in each run. */
const below = (limit: number): number => {
  random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((random / 2 ** 32) * limit);
};

const cut = (bytes: Buffer, at: number): Buffer => bytes.subarray(0, at);

function flip(bytes: Buffer, at: number, bit: number): Buffer {
  const altered = Buffer.from(bytes);
  altered[at] = (altered[at] ?? 0) ^ (1 << bit);
  return altered;
}

type File = 'database' | 'log';

/** Offsets of the last pages: all of them in the full count, else some, with those at the borders of pages. */
function offsetsOf(file: Buffer, unit: number): number[] {
  const from = Math.max(0, file.length - 2 * unit);
  const borders = [0, 1, 2].flatMap((page) => [-1, 0, 1].map((by) => file.length - page * unit + by));
  const all = file.length - from;
  const count = countOf({ full: all, fast: 8 });
  const inside =
    count === all ? Array.from({ length: all }, (_, at) => from + at) : sample(count, () => from + below(all));
  const anywhere = sample(countOf({ full: 500, fast: 7 }), () => below(file.length));
  const header = sample(countOf({ full: HEADER_BYTES, fast: 4 }), () => below(HEADER_BYTES));
  return [...new Set([...borders, ...inside, ...anywhere, ...header])].filter((at) => at >= 0 && at < file.length);
}

const sample = (count: number, next: () => number): number[] => Array.from({ length: count }, next);

function* damagesOf(bytes: JournalBytes, file: File): Generator<Case> {
  for (const at of offsetsOf(bytes[file], file === 'log' ? FRAME : PAGE)) {
    yield { what: `${file} cut at ${at}`, bytes: { ...bytes, [file]: cut(bytes[file], at) } };
    const bit = below(8);
    yield { what: `${file} flipped at ${at}.${bit}`, bytes: { ...bytes, [file]: flip(bytes[file], at, bit) } };
  }
}

interface Proof {
  cases: number;
  /** Of the cases, those in which the epoch was another. */
  changed: number;
  /** What part of the events was there after one bit was altered, on average. */
  kept: number;
}

async function prove(stage: Stage, file: File): Promise<Proof> {
  const kept: number[] = [];
  let [cases, changed] = [0, 0];
  for (const { what, bytes } of damagesOf(stage.bytes, file)) {
    try {
      const { view } = await bench.open(bytes, stage.asked);
      cases += 1;
      changed += Number(view.epoch !== stage.view.epoch);
      const part = expectTrue(view, stage);
      if (bytes[file].length === stage.bytes[file].length) kept.push(part);
    } catch (error) {
      throw new Error(`${what} of ${stage.bytes[file].length}: ${(error as Error).message}`, { cause: error });
    }
  }
  return { cases, changed, kept: kept.reduce((sum, part) => sum + part, 0) / kept.length };
}

describe('a journal whose files were cut or altered', () => {
  test('D3: the journal as it was written is opened in its epoch, with all that is in it', async () => {
    for (const stage of [killed, ended]) {
      const { view, damagedInUse } = await bench.open(stage.bytes, stage.asked);
      expect(damagedInUse).toBe(false);
      expect(view).toEqual(stage.view);
      expect(view.sessions).toHaveLength(2);
    }
    expect(killed.view.epoch).toBe(ended.view.epoch);
    expect(commitEnds(killed.bytes.log).length).toBeGreaterThan(5);
  });

  test.each([
    ['the write-ahead log of a daemon that was killed', () => killed, 'log'],
    ['the database of a daemon that was killed', () => killed, 'database'],
    ['the database of a daemon that ended', () => ended, 'database'],
  ] as const)(
    'D1, D3: %s: the same epoch and all, or another and nothing that was not written',
    async (_, of, file) => {
      const { cases, changed, kept } = await prove(of(), file);
      console.log({ file, cases, changed, kept });
      expect(cases).toBeGreaterThan(40);
      expect(changed).toBeGreaterThan(0);
      expect(kept).toBeGreaterThan(0.8);
    },
    1_200_000,
  );

  test('D1, D3: a log that was written back to the database already, in whole or in part', async () => {
    const folder = join(world.daemon.home, '../written-back');
    const { journal, bytes, asked } = await writeMuch(folder);
    const original = `${folder}.original`;
    linkSync(join(folder, 'journal.db'), original);
    const much = createJournalBench(`${folder}.bench`, original);
    const { view: all } = await much.open(bytes, asked);
    expect(all.epoch).toBe(journal.epoch);
    const changed = new Set<boolean>();
    for (const at of sample(countOf({ full: 300, fast: 8 }), () => below(bytes.log.length))) {
      for (const log of [cut(bytes.log, at), flip(bytes.log, at, below(8))]) {
        const { view } = await much.open({ ...bytes, log }, asked);
        changed.add(view.epoch !== all.epoch);
        const part = expectEventsTrue(view, all);
        if (view.epoch === all.epoch) expect(part).toBe(1);
      }
    }
    expect(changed).toContain(true);
    await journal.close();
  }, 1_200_000);
});

/** Enough events that the log has wrapped more than once, and is in the middle of a round. */
async function writeMuch(folder: string) {
  mkdirSync(folder);
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const given = { path: join(folder, 'journal.db'), bootId: readBootId(), log, onDamage: () => {} };
  const { journal } = openJournal(given);
  const [sessionId, owner] = ['much' as SessionId, 'owner' as UserId];
  const places = { sessionId, owner, directory: folder, directoryKey: '1:1' };
  const record = { ...places, messageCount: 0, totalCost: 0, createdAt: 0, updatedAt: 0, lastActivity: 0 };
  for (let seq = 1; seq <= 450; seq += 1) {
    const data = JSON.stringify({ content: [{ type: 'text', text: `${seq} `.repeat(1500) }] });
    const event = { seq, type: 'assistantMessage' as const, at: seq, data, messageId: `m${seq}` };
    journal.commit({ record, events: [event], prompts: [], permissions: [] });
  }
  return { journal, bytes: readBytes(folder), asked: { owner, devices: [], requestIds: [] } };
}
