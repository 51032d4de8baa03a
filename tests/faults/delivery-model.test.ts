/**
 * Histories of publishing, acknowledging, dropping, stalling, trimming, restarting and losing epochs, made up at
 * random, on the real journal and the real delivery. The ledger of each device says whether anything was lost.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { DeviceId, SessionId } from '../../protocol/scalars.js';
import { Delivery } from '../../services/delivery/delivery.js';
import type { DeviceConnection } from '../../services/delivery/device/device-connection.js';
import type { OpenBlock } from '../../services/ports/claude.js';
import type { CursorStore } from '../../services/ports/cursors.js';
import type { Publication } from '../../services/ports/publication.js';
import type { EventRecord, UserId } from '../../services/ports/records.js';
import type { SessionSource } from '../../services/ports/session-source.js';
import { createTrim } from '../../services/record/retention/trim.js';
import { createSqliteCursors } from '../../services/record/sqlite/cursors.js';
import { Extents } from '../../services/record/sqlite/extents.js';
import { withSum } from '../../services/record/sqlite/row-sums.js';
import type { SessionRow } from '../../services/record/sqlite/rows.js';
import { openDatabase } from '../../services/record/sqlite/schema.js';
import type { SqliteDatabase } from '../../services/record/sqlite/sqlite-database.js';
import { createSqliteJournal, type SqliteJournal } from '../../services/record/sqlite/sqlite-journal.js';
import { countOf } from '../support/counts.js';
import { sessionRecord } from '../support/session-record.js';
import { MODEL_TEXT, ModelDevice, ModelSink } from './model-client.js';

const RUNS = countOf({ full: 100_000, fast: 300 });
const DEVICES = 2;
const SESSIONS = 2;
/** A seq that no history reaches. */
const AHEAD = 1_000_000;

let folder: string;
let database: SqliteDatabase;
let runs = 0;

beforeAll(() => {
  // Nothing here dies but objects: no disk need hear of it.
  folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'companion-model-'));
  database = openDatabase(join(folder, 'journal.db'));
  database.pragma('synchronous = OFF');
});

afterAll(() => {
  database.close();
  rmSync(folder, { recursive: true });
});

type Command =
  | { do: 'publish'; session: number; events: number; gap: number }
  | { do: 'say'; session: number; length: number }
  | { do: 'connect' | 'drop' | 'stall' | 'drain' | 'ping' | 'pong' | 'subscribe' | 'unsubscribe'; device: number }
  | { do: 'ack'; device: number; session: number; back: number }
  | { do: 'trim'; session: number; kept: number }
  | { do: 'restart' | 'newEpoch' | 'settle' }
  | { do: 'cut'; session: number; events: number }
  | { do: 'rewind'; device: number; session: number; by: number };

type Ticked = Command & { ticks: number };

const device = fc.nat(DEVICES - 1);
const session = fc.nat(SESSIONS - 1);
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('publish' as const),
      session,
      events: fc.integer({ min: 1, max: 5 }),
      gap: fc.nat(12),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('publish' as const),
      session,
      events: fc.integer({ min: 100, max: 230 }),
      gap: fc.nat(12),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('say' as const), session, length: fc.integer({ min: 1, max: 40 }) }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'connect' as const,
        'drop' as const,
        'stall' as const,
        'drain' as const,
        'ping' as const,
        'pong' as const,
        'subscribe' as const,
      ),
      device,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('unsubscribe' as const), device }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('ack' as const), device, session, back: fc.nat(4) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('trim' as const), session, kept: fc.integer({ min: 1, max: 6 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom('restart' as const, 'settle' as const, 'settle' as const) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('newEpoch' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cut' as const), session, events: fc.nat(4) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('rewind' as const), device, session, by: fc.integer({ min: -3, max: 6 }) }),
  },
);
const history: fc.Arbitrary<Ticked[]> = fc.array(
  fc.tuple(command, fc.nat(6)).map(([made, ticks]) => ({ ...made, ticks })),
  { maxLength: 40, size: 'max' },
);

interface Open {
  connection: DeviceConnection;
  sink: ModelSink;
  /** Frames of a client are handled one after the other, the first when it was welcomed. */
  turn: Promise<void>;
}

interface ModelSession {
  id: SessionId;
  head: number;
  published: number;
  /** Length of the message that is being written. */
  said: number;
  message: number;
}

/** One history: a daemon that dies and comes back, and devices that keep their ledgers. */
class World {
  readonly #user = `user-${runs}` as UserId;
  readonly #sessions: ModelSession[] = [];
  readonly #devices = Array.from({ length: DEVICES }, () => new ModelDevice());
  readonly #open: (Open | undefined)[] = [];
  #boot = 0;
  #trims = 0;
  #extents = new Extents(database);
  #journal: SqliteJournal;
  #delivery: Delivery;
  #cursors: { store: CursorStore; dead: boolean };
  errors: unknown[] = [];

  constructor() {
    ({ journal: this.#journal, delivery: this.#delivery, cursors: this.#cursors } = this.#begin());
  }

  async run(commands: readonly Ticked[]): Promise<void> {
    for (let index = 0; index < SESSIONS; index += 1) await this.#addSession(index);
    for (let index = 0; index < DEVICES; index += 1) {
      this.#connect(index);
      this.#subscribe(index);
      await settle();
    }
    await settle();
    for (const { ticks, ...made } of commands) {
      await this.#do(made);
      for (let tick = 0; tick < ticks; tick += 1) await Promise.resolve();
    }
    await this.#end();
  }

  async close(): Promise<void> {
    for (const { id } of this.#sessions) await this.#journal.forget(id);
    await this.#journal.abandon();
  }

  #begin() {
    this.#extents = new Extents(database);
    const journal = createSqliteJournal({ database, bootId: `boot-${runs}-${this.#boot}`, extents: this.#extents });
    const cursors = mortal(createSqliteCursors(database));
    const source = this.#source();
    const ignore = { onReset: () => {}, onDevicesChanged: () => {}, log: silent };
    const delivery = new Delivery({ journal, cursors: cursors.store, source, now: Date.now, ...ignore });
    return { journal, cursors, delivery };
  }

  #source(): SessionSource {
    const find = (id: SessionId) => this.#sessions.find((one) => one.id === id);
    return {
      head: (owner, id) => (owner === this.#user ? find(id)?.published : undefined),
      owned: () => this.#sessions.map(({ id }) => id),
      openBlocks: (id) => {
        const found = find(id);
        return found && found.said > 0 ? [blockOf(found)] : [];
      },
      openPermissions: () => [],
      tasks: () => undefined,
      snapshot: async () => {
        await Promise.resolve();
        return { status: {} as never, messages: [], permissions: [] };
      },
    };
  }

  async #addSession(index: number): Promise<void> {
    const id = `session-${runs}-${index}` as SessionId;
    this.#sessions.push({ id, head: 0, published: 0, said: 0, message: 0 });
    this.#journal.commit({ record: sessionRecord(id, this.#user), events: [], prompts: [], permissions: [] });
  }

  async #do(made: Command): Promise<void> {
    switch (made.do) {
      case 'publish':
        return this.#publish(made);
      case 'say':
        return this.#say(made);
      case 'ack':
        return this.#ack(made);
      case 'trim':
        return this.#trim(made);
      case 'cut':
        return this.#cut(made);
      case 'rewind':
        return this.#rewind(made);
      case 'restart':
        return this.#restart();
      case 'newEpoch':
        this.#boot += 1;
        return this.#restart();
      case 'settle':
        return settle();
      case 'connect':
        return this.#connect(made.device);
      case 'drain':
      case 'drop':
      case 'ping':
      case 'pong':
      case 'stall':
      case 'subscribe':
      case 'unsubscribe':
        return this.#onConnection(made);
    }
  }

  /** Between the commit and the word of it lies some time, as with a disk that is slow to sync. */
  async #publish({ session, events, gap }: Extract<Command, { do: 'publish' }>): Promise<void> {
    const found = this.#session(session);
    const from = found.head;
    const written = Array.from({ length: events }, (_, index) => eventOf(found.id, from + index + 1));
    found.head += events;
    this.#journal.commit({
      record: sessionRecord(found.id, this.#user),
      events: written,
      prompts: [],
      permissions: [],
    });
    for (let tick = 0; tick < gap; tick += 1) await Promise.resolve();
    found.published = found.head;
    found.said = 0;
    found.message += 1;
    this.#tell(
      found,
      written.map((event) => ({ kind: 'event', event })),
    );
  }

  #say({ session, length }: Extract<Command, { do: 'say' }>): void {
    const found = this.#session(session);
    const offset = found.said;
    found.said = Math.min(MODEL_TEXT.length, offset + length);
    const { text, ...block } = blockOf(found);
    const content = { type: 'text' as const, text: text.slice(offset) };
    const data = { sessionId: found.id, ...block, content, offset, isComplete: false };
    this.#tell(found, [{ kind: 'frame', frame: { type: 'streamData', data } }]);
  }

  #tell({ id }: ModelSession, items: Publication[]): void {
    this.#delivery.publish({ sessionId: id, owner: this.#user }, items);
  }

  #ack({ device, session, back }: Extract<Command, { do: 'ack' }>): void {
    const { id } = this.#session(session);
    const ledger = this.#device(device).ledger(id);
    this.#inTurn(device, async ({ connection, sink }) => {
      if (sink.dropped || ledger.epoch !== this.#journal.epoch || ledger.last - back < 1) return;
      try {
        connection.ack(id, ledger.last - back);
      } catch (error) {
        // It is not subscribed: the daemon says so, and nothing moves.
        if (!String(error).includes('must be a session')) throw error;
      }
    });
  }

  #trim({ session, kept }: Extract<Command, { do: 'trim' }>): void {
    const limits = { days: 1e6, events: kept, bytes: 1e12 };
    const trim = createTrim({ database, extents: this.#extents, limits });
    this.#trims += 1;
    while (trim(this.#session(session).id, 0).more);
  }

  /** The end of the journal is gone, and that was noticed: another epoch begins. */
  #cut({ session, events }: Extract<Command, { do: 'cut' }>): void {
    const found = this.#session(session);
    found.head = Math.min(found.head, Math.max(this.#extents.of(found.id).first, found.head - events));
    database.prepare('DELETE FROM events WHERE session_id = ? AND seq > ?').run(found.id, found.head);
    const row = database.prepare<[string], SessionRow>('SELECT * FROM sessions WHERE session_id = ?').get(found.id);
    database
      .prepare('UPDATE sessions SET head = @head, sum = @sum WHERE session_id = @session_id')
      .run(withSum('sessions', { ...row, head: found.head }));
    this.#boot += 1;
    this.#restart();
  }

  #restart(): void {
    this.#cursors.dead = true;
    void this.#journal.abandon();
    for (const index of this.#open.keys()) this.#drop(index);
    for (const one of this.#sessions) one.published = one.head;
    ({ journal: this.#journal, delivery: this.#delivery, cursors: this.#cursors } = this.#begin());
  }

  #connect(index: number): void {
    const sink = new ModelSink(this.#device(index));
    const before = this.#open[index];
    if (before) before.sink.dropped = true;
    const connection = this.#delivery.connect({
      device: { userId: this.#user, deviceId: `device-${index}` as DeviceId },
      sink,
      owner: { onReplaced: () => {}, onError: (error) => this.errors.push(error) },
    });
    this.#open[index] = { connection, sink, turn: Promise.resolve() };
    this.#inTurn(index, (open) => this.#resume(index, open));
  }

  #inTurn(device: number, handle: (open: Open) => Promise<void>): void {
    const open = this.#open[device];
    if (open) open.turn = open.turn.then(() => handle(open)).catch((error: unknown) => void this.errors.push(error));
  }

  /** A device that left a session starts over where the session is then. */
  #beginAt(device: number, sessionId: string, from: number): void {
    const ledger = this.#device(device).ledger(sessionId);
    if (ledger.left) Object.assign(ledger, { last: from, left: false });
  }

  async #resume(device: number, { connection, sink }: Open): Promise<void> {
    const trims = this.#trims;
    const resumed = connection.resume();
    for (const { sessionId, resume, from } of resumed) {
      if (resume === 'replay' && !sink.dropped) this.#beginAt(device, sessionId, from);
      const { first } = this.#extents.of(sessionId as SessionId);
      if (resume === 'replay' && from + 1 < first && trims === this.#trims)
        throw new Error(`promised from ${from}, but ${first} is the first`);
    }
    connection.start();
  }

  /** The client says itself where it is: a few events ago, or where nothing is yet. */
  #rewind({ device, session, by }: Extract<Command, { do: 'rewind' }>): void {
    const { id } = this.#session(session);
    const ledger = this.#device(device).ledger(id);
    this.#inTurn(device, async ({ connection }) => {
      const seq = by < 0 ? AHEAD : ledger.last - by;
      if (seq < 0 || ledger.epoch === '') return;
      const cursors = { [id]: { epoch: ledger.epoch, seq } };
      const { sessions, begin } = connection.subscribe({ events: ['*'], sessionIds: [id], cursors });
      if (sessions[0]?.resume !== 'reset' && by < 0) throw new Error('a cursor ahead of the head was served');
      begin();
    });
  }

  #onConnection({ do: what, device }: Extract<Command, { device: number }>): void | Promise<void> {
    const open = this.#open[device];
    if (!open) return;
    if (what === 'drop') this.#drop(device);
    else if (what === 'stall') open.sink.stalled = true;
    else if (what === 'drain') this.#drain(device);
    else if (what === 'ping') open.connection.ping();
    else if (what === 'pong') open.connection.received(open.sink.lastAsked);
    else if (what === 'subscribe') this.#subscribe(device);
    else return this.#unsubscribe(device);
  }

  /** With nothing else under way: what a client has heard of a session that it is leaving is nobody's loss. */
  async #unsubscribe(device: number): Promise<void> {
    const { id } = this.#session(0);
    await settle();
    this.#inTurn(device, async ({ connection, sink }) => {
      connection.unsubscribe([id]);
      sink.drain();
      connection.drained();
      Object.assign(this.#device(device).ledger(id), { left: true, epoch: '', last: 0, events: new Map() });
    });
    await settle();
  }

  #subscribe(device: number): void {
    this.#inTurn(device, async ({ connection, sink }) => {
      const { sessions, begin } = connection.subscribe({ events: ['*'] });
      for (const { sessionId, resume, from } of sessions) {
        if (resume === 'replay' && !sink.dropped) this.#beginAt(device, sessionId, from);
      }
      begin();
    });
  }

  #drop(device: number): void {
    const open = this.#open[device];
    if (!open) return;
    open.sink.dropped = true;
    open.connection.close();
    this.#open[device] = undefined;
  }

  #drain(device: number): void {
    this.#open[device]?.sink.drain();
    this.#open[device]?.connection.drained();
  }

  /** Everybody comes back, reads all, and must have all that there is. */
  async #end(): Promise<void> {
    await settle();
    for (let index = 0; index < DEVICES; index += 1) {
      if (!this.#open[index]) this.#connect(index);
      await settle();
      this.#subscribe(index);
      await settle();
      this.#drain(index);
    }
    await settle();
    expect(this.errors).toEqual([]);
    this.#requireAllAtHead();
    await this.#compare();
  }

  #requireAllAtHead(): void {
    for (const [index, device] of this.#devices.entries()) {
      for (const { id, head } of this.#sessions) {
        const { last, epoch } = device.ledger(id);
        if (last !== head) throw new Error(`device ${index} ends at ${last} of ${head} in ${id}`);
        if (epoch !== '' && epoch !== this.#journal.epoch) throw new Error('a device stayed in an old epoch');
      }
    }
  }

  /** What devices have is what the journal has. */
  async #compare(): Promise<void> {
    for (const { id } of this.#sessions) {
      const events = this.#journal.readEvents({
        sessionId: id,
        after: this.#extents.of(id).first - 1,
        limit: 1e6,
      });
      const kept = new Map(events.map(({ seq, data }) => [seq, data]));
      for (const device of this.#devices) {
        for (const [seq, data] of device.ledger(id).events) {
          if (kept.has(seq) && kept.get(seq) !== data) throw new Error(`event ${seq} is not what the journal has`);
        }
      }
    }
  }

  #session(index: number): ModelSession {
    const found = this.#sessions[index];
    if (!found) throw new Error('no such session');
    return found;
  }

  #device(index: number): ModelDevice {
    const found = this.#devices[index];
    if (!found) throw new Error('no such device');
    return found;
  }
}

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

let written = 0;

const eventOf = (_id: SessionId, seq: number): EventRecord => {
  written += 1;
  return { seq, type: 'sessionStatus', at: 0, data: JSON.stringify({ written }) };
};

const blockOf = ({ said, message, id }: ModelSession): OpenBlock => ({
  streamType: 'assistant_message',
  messageId: `${id}-${message}`,
  blockIndex: 0,
  text: MODEL_TEXT.slice(0, said),
});

/** A store whose writes come to nothing once its daemon is dead. */
function mortal(store: CursorStore): { store: CursorStore; dead: boolean } {
  const life = { dead: false } as { store: CursorStore; dead: boolean };
  life.store = {
    ...store,
    writeCursors: (...given) => (life.dead ? undefined : store.writeCursors(...given)),
    writeSubscription: (...given) => (life.dead ? undefined : store.writeSubscription(...given)),
    removeCursors: (...given) => (life.dead ? undefined : store.removeCursors(...given)),
  };
  return life;
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 8; turn += 1) await setImmediate();
}

async function tryHistory(commands: readonly Ticked[]): Promise<void> {
  runs += 1;
  const world = new World();
  try {
    await world.run(commands);
  } finally {
    await world.close();
  }
}

/** Found by the test below, shrunk and kept. */
const FOUND: [string, Ticked[]][] = [
  [
    'a subscription that is on record before the cursor would be sent from the beginning',
    [
      { do: 'unsubscribe', device: 0, ticks: 0 },
      { do: 'publish', session: 0, events: 1, gap: 0, ticks: 0 },
      { do: 'subscribe', device: 0, ticks: 0 },
      { do: 'connect', device: 0, ticks: 0 },
      { do: 'drop', device: 0, ticks: 0 },
    ],
  ],
  [
    'a cursor that is taken away while the subscription to all sessions still stands',
    [
      { do: 'publish', session: 0, events: 2, gap: 0, ticks: 0 },
      { do: 'unsubscribe', device: 0, ticks: 0 },
      { do: 'cut', session: 0, events: 1, ticks: 0 },
    ],
  ],
  [
    'events that go while the answer promises them',
    [
      { do: 'publish', session: 1, events: 101, gap: 0, ticks: 0 },
      { do: 'connect', device: 0, ticks: 1 },
      { do: 'trim', session: 1, kept: 2, ticks: 0 },
    ],
  ],
];

describe('D2, D3, D4: the model of delivery', () => {
  test.each(FOUND)('%s', (_, commands) => tryHistory(commands));

  test(`nothing is lost, doubled or out of order in ${RUNS} histories`, async () => {
    await fc.assert(fc.asyncProperty(history, tryHistory), { numRuns: RUNS });
  });
});
