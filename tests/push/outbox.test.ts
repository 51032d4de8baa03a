/** The outbox over a real journal; the senders are stand-ins that do as they are told, and the clock is set by the test. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { storageFull } from '../../protocol/failures.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { CursorStore, StoredCursor } from '../../services/ports/cursors.js';
import type { OutboxStore, PushRecord } from '../../services/ports/outbox.js';
import type { PushMessage, PushRegistration, PushSender, SendOutcome } from '../../services/ports/push.js';
import type { DeviceRef, EventRecord, KeptChange, UserId } from '../../services/ports/records.js';
import { OutboxRows } from '../../services/push/outbox/outbox-rows.js';
import { changed, newPush } from '../../services/push/outbox/push-record.js';
import { PushService } from '../../services/push/push-service.js';
import { PushReach } from '../../services/push/web/push-reach.js';
import { chooseSubject } from '../../services/push/web/vapid.js';
import { createSqliteCursors } from '../../services/record/sqlite/cursors.js';
import { createSqliteOutbox } from '../../services/record/sqlite/outbox.js';
import { openDatabase } from '../../services/record/sqlite/schema.js';
import { createSqliteJournal, type SqliteJournal } from '../../services/record/sqlite/sqlite-journal.js';
import { countOf } from '../support/counts.js';
import { sessionRecord } from '../support/session-record.js';
import { waitUntil } from '../support/wait-until.js';
import { AT, deviceRef, requestOf, turnOf, waitingOf } from './situations.js';
import { recordChange } from './support/record-change.js';

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const PHONE = deviceRef('phone');

let folder: string;
let now: number;
let journal: SqliteJournal;
let cursors: CursorStore;
let store: OutboxStore;
let push: PushService;
let registration: PushRegistration | undefined;
let answer: (message: PushMessage) => SendOutcome | Promise<SendOutcome>;
let sent: PushMessage[];
let open: Set<string>;
let working: SessionId[];
let isWatched: boolean;
let heads: Map<string, number>;
let onState: (row: PushRecord) => void;

const sender: PushSender = {
  platform: 'ntfy',
  problem: undefined,
  send: async (_, message) => {
    sent.push(message);
    return answer(message);
  },
  close: async () => {},
};

/** A daemon's pushes, on the journal as it is. */
function makePush(): PushService {
  return new PushService({
    store,
    cursors,
    devices: {
      pushDevices: () => [{ device: PHONE, registration, mayApprove: true, preferences: {} }],
      endRegistration: async () => {
        registration = undefined;
        return true;
      },
      correctEnvironment: async () => {},
      tokensOf: () => (registration ? [registration.token] : []),
    },
    sessions: {
      find: (sessionId) => ({ owner: PHONE.userId, project: sessionId, preferences: {}, openRequests: open }),
      openRequests: () => new Map([['session' as SessionId, open.size]]),
      working: () => working,
    },
    senders: [sender],
    isSetUp: true,
    vapidKey: undefined,
    vapidSubject: chooseSubject(undefined, undefined),
    reach: new PushReach({ allowPrivate: false }),
    body: 'state',
    lastSaidAt: () => (isWatched ? performance.now() : Number.NEGATIVE_INFINITY),
    epoch: journal.epoch,
    log: silent,
    now: () => now,
    onState: (row) => onState(row),
  });
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'companion-outbox-'));
  const database = openDatabase(join(folder, 'journal.db'));
  journal = createSqliteJournal({ database, bootId: 'boot' });
  cursors = createSqliteCursors(database);
  store = createSqliteOutbox(database);
  now = AT;
  registration = { device: PHONE, platform: 'ntfy', token: 'topic', environment: 'production', registeredAt: AT };
  answer = () => ({ kind: 'accepted' });
  sent = [];
  open = new Set();
  working = [];
  isWatched = false;
  heads = new Map();
  onState = () => {};
  push = makePush();
  await begin();
});

afterEach(async () => {
  await push.close();
  await journal.close();
  rmSync(folder, { recursive: true });
});

/** As long ago as devices may take to connect. */
async function begin(): Promise<void> {
  push.load();
  now -= 2000;
  push.begin();
  now += 2000;
}

/** Another daemon takes up what this one leaves. */
async function restart(): Promise<void> {
  await push.close();
  push = makePush();
  await begin();
}

type Said = Pick<EventRecord, 'type' | 'data'>;

async function commit(sessionId: string, ...events: Said[]): Promise<void> {
  const records = events.map((event) => {
    const seq = (heads.get(sessionId) ?? 0) + 1;
    heads.set(sessionId, seq);
    return { ...event, seq, at: now };
  });
  const change = { record: sessionRecord(sessionId, PHONE.userId), events: records, prompts: [], permissions: [] };
  recordChange({ journal, push }, change);
}

/** A device has received everything up to these positions. */
function acknowledge(device: DeviceRef, moved: ReadonlyMap<SessionId, StoredCursor>): void {
  cursors.writeCursors(device, moved);
  push.acknowledged(device, moved);
}

const turnEnds = () => ({ type: 'streamComplete' as const, data: JSON.stringify(turnOf()) });
const asks = (permissionId: string) => {
  open.add(permissionId);
  return { type: 'permissionRequest' as const, data: JSON.stringify(requestOf({ permissionId })) };
};
const resolves = (permissionId: string) => {
  open.delete(permissionId);
  const data = { permissionId, sessionId: 'session', decision: 'allow', byDeviceId: 'laptop' };
  return { type: 'permissionResolved' as const, data: JSON.stringify(data) };
};

const rows = async (): Promise<PushRecord[]> => push.deliveries(PHONE.userId, { limit: 1000, offset: 0 }).pushes;
const states = async () => (await rows()).map(({ kind, state }) => `${kind} ${state}`).reverse();
const settled = (count: number) =>
  waitUntil(`${count} rows are done`, async () => {
    const all = await rows();
    return all.length >= count && all.every(({ state }) => state !== 'owed' && state !== 'sending');
  });

/** The clock goes on, and what is due by it is looked at. */
async function pass(ms: number): Promise<void> {
  now += ms;
  push.judgeAgain(PHONE.userId);
  await turn();
}

test('P1: no row without its event, and no event without its row', async () => {
  const failing = {
    commit: (_: KeptChange, owed: () => readonly PushRecord[] = () => []) => {
      expect(owed()).toHaveLength(1);
      throw storageFull('The journal', 'full');
    },
  };
  const event = { ...turnEnds(), seq: 1, at: now };
  const change = { record: sessionRecord('session', PHONE.userId), events: [event], prompts: [], permissions: [] };
  expect(() => recordChange({ journal: failing, push }, change)).toThrow(
    expect.objectContaining({ code: 'STORAGE_FULL' }),
  );
  expect(await rows()).toEqual([]);
  await commit('session', turnEnds());
  await settled(1);
  expect(await states()).toEqual(['turn_complete accepted']);
  expect(sent).toHaveLength(1);
});

test('P1: an event whose pushes cannot be made is written all the same, and that they were not is on record', async () => {
  await commit('session', { type: 'error', data: 'null' });
  expect(journal.readEvents({ sessionId: 'session' as SessionId, after: 0, limit: 9 })).toHaveLength(1);
  expect(await states()).toEqual(['given_up failed']);
  expect((await rows())[0]).toMatchObject({ seq: 1, reason: 'it could not be made: see the log' });
  onState = () => {
    throw new Error('a bug');
  };
  await commit('session', turnEnds());
  onState = () => {};
  await restart();
  await settled(1);
  expect((await states()).sort()).toEqual(['given_up failed', 'turn_complete accepted']);
});

const MANY = countOf({ full: 10_000, fast: 2000 });
test(`P1: ${MANY} requests are pushed, each once`, async () => {
  const ids = Array.from({ length: MANY }, (_, index) => `request-${index}`);
  await commit('session', ...ids.map(asks));
  await waitUntil('all are sent', () => sent.length >= ids.length);
  await waitUntil('all are recorded', () => push.openCount === 0);
  expect(new Set(sent.map(({ permissionId }) => permissionId))).toEqual(new Set(ids));
  expect(sent).toHaveLength(ids.length);
}, 60_000);

test('P1: what fails is sent again with the same words and tokens, until it is stale', async () => {
  answer = () => ({ kind: 'retry', reason: 'busy', afterMs: 60_000 });
  await commit('session', asks('one'));
  await waitUntil('it is tried', async () => (await rows())[0]?.reason === 'busy');
  expect((await rows())[0]?.nextTry).toBeGreaterThanOrEqual(now + 60_000);
  now += 120_000;
  await restart();
  await waitUntil('it is tried again', () => sent.length === 2);
  await waitUntil(
    'that is recorded',
    async () => (await rows())[0]?.attempts === 2 && (await rows())[0]?.state === 'owed',
  );
  const [first, second] = sent;
  expect(second).toEqual({ ...first, actionTokens: expect.anything() });
  now += 600_000;
  await restart();
  await settled(1);
  expect((await rows())[0]).toMatchObject({ state: 'expired', reason: 'stale: busy' });
  expect(sent).toHaveLength(2);
});

test('P1: a token answers what it was made for, also when the push was sent again by another daemon', async () => {
  answer = () => ({ kind: 'retry', reason: 'busy' });
  await commit('session', asks('one'));
  await waitUntil('it is tried', async () => (await rows())[0]?.reason === 'busy');
  now += 60_000;
  answer = () => ({ kind: 'accepted' });
  await restart();
  await settled(1);
  const found = (response: string, token = '', permissionId = 'one') =>
    push.findByToken({ sessionId: 'session' as SessionId, permissionId, response, token });
  for (const { actionTokens = {} } of sent) {
    expect(found('allow', actionTokens.allow)).toMatchObject({ device: PHONE });
    expect(found('deny', actionTokens.allow)).toBeUndefined();
    expect(found('allow', actionTokens.allow, 'two')).toBeUndefined();
  }
  expect(sent[0]?.actionTokens?.allow).not.toBe(sent[1]?.actionTokens?.allow);
  expect(found('constructor', 'x')).toBeUndefined();
});

test('P1: a request that is resolved while its push is on its way is withdrawn after that', async () => {
  let arrive: (outcome: SendOutcome) => void = () => {};
  answer = () =>
    new Promise((resolve) => {
      arrive = resolve;
    });
  await commit('session', asks('one'));
  await waitUntil('it is on its way', () => sent.length === 1);
  answer = () => ({ kind: 'accepted' });
  await commit('session', resolves('one'));
  await turn();
  expect(sent).toHaveLength(1);
  arrive({ kind: 'accepted' });
  await settled(2);
  expect(await states()).toEqual(['permission accepted', 'withdrawal accepted']);
  expect(sent[1]).toMatchObject({ kind: 'withdrawal', collapseId: sent[0]?.collapseId, badge: 0 });
});

test.each([
  ['it was given up', () => pass(600_000), 'expired'],
  ['another daemon has taken over', () => pass(600_000).then(restart), 'expired'],
  [
    'the service refused it later',
    () => {
      answer = () => ({ kind: 'failed', reason: 'PayloadTooLarge' });
      return pass(60_000);
    },
    'failed',
  ],
])('P1: a push whose answer was lost is withdrawn, also when %s before', async (_when, happens, state) => {
  answer = () => ({ kind: 'retry', reason: 'connection lost' });
  await commit('session', asks('one'));
  await waitUntil('it is tried', async () => (await rows())[0]?.reason === 'connection lost');
  await happens();
  await waitUntil(`it is ${state}`, async () => (await states())[0] === `permission ${state}`);
  answer = () => ({ kind: 'accepted' });
  await commit('session', resolves('one'));
  await settled(2);
  expect(await states()).toEqual([`permission ${state}`, 'withdrawal accepted']);
  expect(sent.at(-1)).toMatchObject({ kind: 'withdrawal', collapseId: sent[0]?.collapseId });
});

test('P1: a request that is resolved before its push was sent is not pushed', async () => {
  const laptop = push.arrive(deviceRef('laptop'));
  await commit('session', asks('one'));
  await pass(1000);
  await commit('session', resolves('one'));
  await pass(10_000);
  await settled(1);
  expect((await rows())[0]).toMatchObject({ state: 'suppressed', reason: 'resolved' });
  expect(sent).toEqual([]);
  laptop.end();
});

test('P1: a request that is resolved when its push is about to be sent is not pushed', async () => {
  const ids = Array.from({ length: 12 }, (_, nth) => `request-${nth}`);
  let resolution: Promise<void> | undefined;
  // All were judged together by then, and are marked a few in each turn of the event loop.
  onState = ({ state }) => {
    if (state === 'sending') resolution ??= commit('session', resolves('request-11'));
  };
  await commit('session', ...ids.map(asks));
  await settled(ids.length);
  await resolution;
  expect(sent.map(({ permissionId }) => permissionId)).toEqual(ids.slice(0, -1));
  const last = (await rows()).find(({ permissionId }) => permissionId === 'request-11');
  expect(last).toMatchObject({ state: 'suppressed', reason: 'resolved', attempts: 0 });
});

test('P1: a request is withdrawn whose push is sent while its resolution waits to be written', async () => {
  const laptop = push.arrive(deviceRef('laptop'));
  await commit('session', asks('one'));
  const resolution = resolves('one');
  open.add('one');
  await pass(10_000);
  await waitUntil('it is sent', () => sent.length === 1);
  open.delete('one');
  await commit('session', resolution);
  await settled(2);
  expect(await states()).toEqual(['permission accepted', 'withdrawal accepted']);
  laptop.end();
});

test('P1: what a device acknowledges is not pushed, and seen when it was', async () => {
  const laptop = push.arrive(deviceRef('laptop'));
  const { epoch } = journal;
  await commit('one', turnEnds());
  acknowledge(deviceRef('laptop'), new Map([['one' as SessionId, { seq: 1, epoch }]]));
  await settled(1);
  expect((await rows())[0]).toMatchObject({ state: 'suppressed', reason: 'acknowledged' });
  laptop.say('background');
  await commit('two', turnEnds());
  await settled(2);
  acknowledge(PHONE, new Map([['two' as SessionId, { seq: 1, epoch }]]));
  await waitUntil('it is seen', async () => (await rows())[0]?.state === 'seen');
  expect(sent).toHaveLength(1);
});

test('P1: a registration that is void ends, and what is owed to it says so', async () => {
  answer = () => ({ kind: 'unregistered', reason: 'Unregistered' });
  await commit('session', asks('one'));
  await settled(1);
  expect((await rows())[0]).toMatchObject({ state: 'failed', reason: 'Unregistered' });
  await commit('session', asks('two'));
  expect(await rows()).toHaveLength(1);
});

test('P1: a newer result takes the place of one that failed, and is not overtaken by it', async () => {
  answer = () => ({ kind: 'retry', reason: 'busy' });
  await commit('session', turnEnds());
  await waitUntil('it is tried', async () => (await rows())[0]?.reason === 'busy');
  answer = () => ({ kind: 'accepted' });
  await commit('session', turnEnds());
  await settled(2);
  const [later, earlier] = await rows();
  expect(later).toMatchObject({ seq: 2, state: 'accepted' });
  expect(earlier).toMatchObject({ seq: 1, state: 'suppressed', reason: `told by ${later?.pushId}` });
  expect(sent.map(({ seq }) => seq)).toEqual([1, 2]);
});

const testPush = () => newPush({ device: PHONE, about: { what: 'test' }, epoch: journal.epoch, now });

test('P1: two pushes of one place are never under way together', async () => {
  let arrive: (outcome: SendOutcome) => void = () => {};
  answer = () =>
    new Promise((resolve) => {
      arrive = resolve;
    });
  store.write({ added: [testPush(), testPush()] });
  await restart();
  await waitUntil('one is on its way', () => sent.length === 1);
  await turn();
  expect((await states()).sort()).toEqual(['test owed', 'test sending']);
  answer = () => ({ kind: 'accepted' });
  arrive({ kind: 'accepted' });
  await settled(2);
  expect(new Set(sent.map(({ pushId }) => pushId)).size).toBe(2);
});

test('P1: a test takes the place of one that has failed, and does not wait for it', async () => {
  answer = () => ({ kind: 'retry', reason: 'busy', afterMs: 300_000 });
  push.test(PHONE);
  await waitUntil('it is tried', async () => (await rows())[0]?.reason === 'busy');
  answer = () => ({ kind: 'accepted' });
  const later = push.test(PHONE);
  await settled(2);
  expect(await rows()).toMatchObject([{ state: 'accepted' }, { state: 'suppressed', reason: `told by ${later}` }]);
  expect(sent).toHaveLength(2);
});

/** Pushes of a kind as they were sent, by their age among all of that kind. */
async function sentAges(kind: PushRecord['kind']): Promise<number[]> {
  const ids = (await rows()).reverse().flatMap((row) => (row.kind === kind ? [row.pushId] : []));
  return sent.flatMap((message) => (message.kind === kind ? [ids.indexOf(message.pushId)] : []));
}

test('P1: a digest that failed is not overtaken by a later one, in whose place it would come', async () => {
  const digest = async (count: number) => {
    await Promise.all([commit('one', turnEnds()), commit('two', turnEnds())]);
    await waitUntil(
      'it is written',
      async () => (await states()).filter((is) => is.startsWith('digest')).length === count,
    );
  };
  answer = () => ({ kind: 'retry', reason: 'busy', afterMs: 300_000 });
  await digest(1);
  await waitUntil('it is tried', () => sent.length === 1);
  answer = () => ({ kind: 'accepted' });
  now += 120_000;
  await digest(2);
  await turn();
  expect(sent).toHaveLength(1);
  now += 180_000;
  await commit('three', asks('what wakes'));
  await settled(6);
  expect(await sentAges('digest')).toEqual([0, 0, 1]);
});

test('P1: a digest that fails while the next one is about to be sent is not overtaken by it', async () => {
  let fail = () => {};
  answer = ({ kind }) =>
    kind === 'digest'
      ? new Promise((resolve) => {
          fail = () => resolve({ kind: 'retry', reason: 'busy' });
        })
      : { kind: 'accepted' };
  await Promise.all([commit('one', turnEnds()), commit('two', turnEnds())]);
  await waitUntil('it is under way', () => sent.length === 1);
  answer = () => ({ kind: 'accepted' });
  now += 120_000;
  // The next one is planned at this moment. Requests are marked before it, a few in each turn of the event loop.
  onState = ({ kind }) => {
    if (kind === 'digest') fail();
  };
  const requests = Array.from({ length: 12 }, (_, nth) => asks(`request-${nth}`));
  await Promise.all([commit('one', ...requests, turnEnds()), commit('two', turnEnds())]);
  await waitUntil('the requests are sent', async () => (await sentAges('permission')).length === requests.length);
  await turn();
  expect(await sentAges('digest')).toEqual([0]);
  await pass(2000);
  await commit('three', asks('what wakes'));
  await settled(6 + requests.length + 1);
  expect(await sentAges('digest')).toEqual([0, 0, 1]);
});

test('P1: what would be tried again when it is stale expires when it is, whatever the service asks for', async () => {
  answer = () => ({ kind: 'retry', reason: 'busy', afterMs: 86_400_000 });
  await commit('session', asks('one'));
  await waitUntil('it is tried', async () => (await rows())[0]?.reason === 'busy');
  now += 600_000;
  await commit('session', asks('what wakes'));
  await waitUntil('it has expired', async () => (await states())[0] === 'permission expired');
});

function withdrawalPush(permissionId: string): PushRecord {
  const concern = waitingOf('permission', { request: requestOf({ permissionId }) });
  const about = { what: 'withdrawal', concern, project: 'session', decision: 'allow' } as const;
  return newPush({ device: PHONE, about, epoch: journal.epoch, now });
}

test('P1: a request is told at once and first, also while somebody watches text come and many pushes wait', async () => {
  store.write({ added: Array.from({ length: 40 }, (_, nth) => withdrawalPush(`request-${nth}`)) });
  isWatched = true;
  await restart();
  push.arrive({ ...deviceRef('laptop'), userId: 'another person' as UserId });
  await waitUntil('they leave', () => sent.length > 0);
  const before = sent.length;
  await commit('session', asks('one'));
  await waitUntil('it is told', () => sent.some(({ kind }) => kind === 'permission'));
  expect(before).toBeLessThan(20);
  expect(sent.findIndex(({ kind }) => kind === 'permission')).toBeLessThan(30);
  await settled(41);
  expect(new Set(sent.map(({ pushId }) => pushId)).size).toBe(41);
});

test('P1: an outcome that the disk does not take is recorded when it does', async () => {
  const { write } = store;
  let isFull = false;
  store.write = (changes) => {
    if (isFull) throw storageFull('The journal', 'full');
    write(changes);
  };
  answer = () => {
    isFull = true;
    return { kind: 'accepted' };
  };
  await commit('session', turnEnds());
  await waitUntil('it is sent', () => sent.length === 1);
  await turn();
  expect(store.readOpen().map(({ state }) => state)).toEqual(['sending']);
  isFull = false;
  await settled(1);
  expect(await states()).toEqual(['turn_complete accepted']);
});

test('rows of what is done are kept for a week', async () => {
  await commit('session', turnEnds());
  await settled(1);
  expect(store.prune(now)).toBe(false);
  expect(await rows()).toHaveLength(1);
  store.prune(now + 1);
  expect(await rows()).toEqual([]);
});

test('what was accepted and never seen is forgotten with its row, not kept in memory', async () => {
  await commit('session', turnEnds());
  await settled(1);
  now += 8 * 86_400_000;
  await restart();
  await waitUntil('its row is gone', async () => (await rows()).length === 0);
  const states: string[] = [];
  onState = ({ state }) => states.push(state);
  const { epoch } = journal;
  acknowledge(PHONE, new Map([['session' as SessionId, { seq: 1, epoch }]]));
  expect(states).toEqual([]);
});

test.each(['accepted', 'seen', 'suppressed', 'expired', 'failed'] as const)(
  'the words of a push are kept until it is %s',
  (state) => {
    const open = new OutboxRows({ store, log: silent, onChange: () => {} });
    const row = testPush();
    open.add(row);
    const message = { ...row, seq: undefined, title: '', subtitle: '', body: '', permissionId: '', badge: 0 };
    open.messages.set(row.pushId, message);
    open.change(changed(row, { state: 'sending', at: now }));
    open.change(changed(row, { state: 'owed', at: now }));
    expect(open.messages.size).toBe(1);
    open.change(changed(row, { state, at: now }));
    expect(open.messages.size).toBe(0);
  },
);
