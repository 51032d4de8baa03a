/** A daemon's pushes to Apple: the outbox over a journal on disk, and the sender to the servers of the stage. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from '@jest/globals';
import type { SessionId } from '../../../protocol/scalars.js';
import type { Log } from '../../../services/ports/log.js';
import type { OutboxStore, PushRecord } from '../../../services/ports/outbox.js';
import type { PushRegistration, PushSender } from '../../../services/ports/push.js';
import type { PushDevices, PushSessions } from '../../../services/ports/push-people.js';
import type { EventRecord } from '../../../services/ports/records.js';
import { PushService } from '../../../services/push/push-service.js';
import { PushReach } from '../../../services/push/web/push-reach.js';
import { chooseSubject } from '../../../services/push/web/vapid.js';
import { createSqliteCursors } from '../../../services/record/sqlite/cursors.js';
import { createSqliteOutbox } from '../../../services/record/sqlite/outbox.js';
import { openDatabase } from '../../../services/record/sqlite/schema.js';
import { createSqliteJournal, type SqliteJournal } from '../../../services/record/sqlite/sqlite-journal.js';
import { sessionRecord } from '../../support/session-record.js';
import { deviceRef, requestOf, turnOf } from '../situations.js';
import { type ApnsStage, type StageSenderOptions, useApns } from './apns-stage.js';
import { recordChange } from './record-change.js';

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const USER = deviceRef('').userId;
const MOST = 1_000_000;

export interface OutboxWorldOptions {
  now: () => number;
  sender?: StageSenderOptions;
  onState?: (push: PushRecord) => void;
  /** The script of a thread that sends. Default: this thread sends. */
  script?: () => string;
  log?: Log;
}

/** Each device has a token of its own. */
const tokenOf = (deviceId: string): string => Buffer.from(deviceId.padEnd(32, '.')).toString('hex');
export const deviceIdOf = (token: string): string => Buffer.from(token, 'hex').toString().replaceAll('.', '');

type Said = Pick<EventRecord, 'type' | 'data'>;

/** One daemon after another, over one database. */
export class OutboxWorld {
  /** By the id of the device. */
  readonly registrations = new Map<string, PushRegistration>();
  readonly corrected: [deviceId: string, environment: string][] = [];
  readonly #apns: ApnsStage;
  readonly #options: OutboxWorldOptions;
  readonly #folder = mkdtempSync(join(tmpdir(), 'companion-outbox-'));
  readonly #heads = new Map<string, number>();
  readonly #requests = new Map<string, Set<string>>();
  #life: { push: PushService; journal: SqliteJournal; sender: PushSender; isOver: boolean } | undefined;

  constructor(apns: ApnsStage, options: OutboxWorldOptions) {
    this.#apns = apns;
    this.#options = options;
  }

  /** The devices have been away for long. */
  register(...deviceIds: string[]): void {
    for (const deviceId of deviceIds) {
      const token = tokenOf(deviceId);
      const device = deviceRef(deviceId);
      const environment = 'production' as const;
      this.registrations.set(deviceId, { device, platform: 'ios', token, environment, registeredAt: 0 });
    }
  }

  /** A daemon comes up. */
  async open(): Promise<void> {
    const { now, onState = () => {}, sender: options, script, log = silent } = this.#options;
    const database = openDatabase(join(this.#folder, 'journal.db'));
    const journal = createSqliteJournal({ database, bootId: 'boot' });
    const sender = script ? this.#apns.threadSender(script(), options, log) : this.#apns.sender(options);
    const life = { journal, sender, isOver: false };
    const push = new PushService({
      store: mortalStore(createSqliteOutbox(database), life),
      cursors: createSqliteCursors(database),
      devices: this.#devices(),
      sessions: this.#sessions(),
      senders: [mortalSender(sender, life)],
      isSetUp: true,
      vapidKey: undefined,
      vapidSubject: chooseSubject(undefined, undefined),
      reach: new PushReach({ allowPrivate: false }),
      body: 'state',
      lastSaidAt: () => Number.NEGATIVE_INFINITY,
      epoch: journal.epoch,
      log: silent,
      now,
      onState: (row) => {
        if (!life.isOver) onState(row);
      },
    });
    push.load();
    push.begin();
    this.#life = Object.assign(life, { push });
  }

  /** Nothing reaches the disk or Apple from here on. What is under way is cut off, and nobody learns what became of it. */
  async crash(): Promise<void> {
    if (!this.#life) return;
    const { push, journal, sender } = this.#life;
    this.#life.isOver = true;
    this.#life = undefined;
    await sender.close();
    await push.close();
    await journal.close();
  }

  async end(): Promise<void> {
    await this.crash();
    rmSync(this.#folder, { recursive: true });
  }

  get push(): PushService {
    if (!this.#life) throw new Error('there is no daemon');
    return this.#life.push;
  }

  /** In one transaction, with what is owed for it. Resolves to the seq of the last event. */
  async commit(sessionId: string, ...events: Said[]): Promise<number> {
    if (!this.#life) throw new Error('there is no daemon');
    const { push, journal } = this.#life;
    const records = events.map((event) => {
      const seq = (this.#heads.get(sessionId) ?? 0) + 1;
      this.#heads.set(sessionId, seq);
      return { ...event, seq, at: this.#options.now() };
    });
    const change = { record: sessionRecord(sessionId, USER), events: records, prompts: [], permissions: [] };
    recordChange({ journal, push }, change);
    return this.#heads.get(sessionId) ?? 0;
  }

  turnEnds(): Said {
    return { type: 'streamComplete', data: JSON.stringify(turnOf()) };
  }

  asks(sessionId: string, permissionId: string): Said {
    this.#requests.set(sessionId, (this.#requests.get(sessionId) ?? new Set()).add(permissionId));
    const toolInput = { command: `make ${permissionId}` };
    return { type: 'permissionRequest', data: JSON.stringify(requestOf({ permissionId, toolInput })) };
  }

  resolves(sessionId: string, permissionId: string): Said {
    this.#requests.get(sessionId)?.delete(permissionId);
    const data = { permissionId, sessionId, decision: 'allow', byDeviceId: 'laptop' };
    return { type: 'permissionResolved', data: JSON.stringify(data) };
  }

  /** Oldest first. */
  async rows(): Promise<PushRecord[]> {
    return this.push.deliveries(USER, { limit: MOST, offset: 0 }).pushes.reverse();
  }

  #devices(): PushDevices {
    return {
      pushDevices: () =>
        [...this.registrations.values()].map((registration) => ({
          device: registration.device,
          registration,
          mayApprove: true,
          preferences: {},
        })),
      tokensOf: () => [],
      endRegistration: async ({ device }) => this.registrations.delete(device.deviceId),
      correctEnvironment: async (registration, environment) => {
        const { deviceId } = registration.device;
        this.registrations.set(deviceId, { ...registration, environment });
        this.corrected.push([deviceId, environment]);
      },
    };
  }

  #sessions(): PushSessions {
    const requests = (sessionId: string) => this.#requests.get(sessionId) ?? new Set<string>();
    return {
      find: (sessionId) => ({
        owner: USER,
        project: sessionId,
        preferences: {},
        openRequests: requests(sessionId),
      }),
      openRequests: () => new Map([...this.#requests].map(([id, { size }]) => [id as SessionId, size])),
      working: () => [],
    };
  }
}

/** Of a process that is no more, nothing is written. */
const mortalStore = (store: OutboxStore, life: { isOver: boolean }): OutboxStore => ({
  ...store,
  write: (changes) => {
    if (!life.isOver) store.write(changes);
  },
});

const mortalSender = (sender: PushSender, life: { isOver: boolean }): PushSender => ({
  platform: sender.platform,
  get problem() {
    return sender.problem;
  },
  send: async (registration, message) =>
    life.isOver ? { kind: 'retry', reason: 'dead' } : sender.send(registration, message),
  close: () => sender.close(),
});

/** A world for each test, with its first daemon. */
export function useApnsOutbox(options: OutboxWorldOptions): { apns: ApnsStage; world: OutboxWorld } {
  const stage = {} as { apns: ApnsStage; world: OutboxWorld };
  // Before the servers are closed.
  afterEach(() => stage.world.end());
  const apns = useApns();
  stage.apns = apns;
  beforeEach(async () => {
    stage.world = new OutboxWorld(apns, options);
    await stage.world.open();
  });
  return stage;
}
