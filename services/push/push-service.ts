import type { SessionId } from '../../protocol/scalars.js';
import type { CursorStore, StoredCursor } from '../ports/journal.js';
import type { Log } from '../ports/log.js';
import type { OutboxStore, PushPage, PushRecord } from '../ports/outbox.js';
import type { PushPlatform, PushSender } from '../ports/push.js';
import type { PushDevices, PushSessions } from '../ports/push-people.js';
import type { DeviceRef, SessionChange, UserId } from '../ports/records.js';
import { isTokenOf, withoutTokens } from './action-tokens.js';
import { Outbox } from './outbox.js';
import { OutboxRows } from './outbox-rows.js';
import { DevicePresence, type Visit } from './presence.js';
import { PushDispatcher, type PushDispatcherOptions } from './push-dispatcher.js';
import { PushJudge } from './push-judge.js';
import { PushPace } from './push-pace.js';
import type { PushReach } from './push-reach.js';
import { changed, failedPushes, newPush, pushesFor } from './push-record.js';
import { resolutionsIn, withdrawalPushes } from './push-withdrawals.js';
import { subjectProblem, type VapidSubject } from './vapid-subject.js';

export interface PushServiceOptions {
  store: OutboxStore;
  cursors: CursorStore;
  devices: PushDevices;
  sessions: PushSessions;
  senders: readonly PushSender[];
  /** Whether the settings configure a push service. Browsers can receive pushes without. */
  isSetUp: boolean;
  /** The key with which browsers subscribe. */
  vapidKey: string | undefined;
  vapidSubject: VapidSubject;
  /** The hosts that are permitted for pushes to browsers. */
  reach: PushReach;
  body: PushDispatcherOptions['body'];
  /** The journal's epoch. */
  epoch: string;
  log: Log;
  now: () => number;
  /** The state of a push has changed. */
  onState: (push: PushRecord) => void;
  /** When a session of this person last sent output, by `performance.now()`. */
  lastSaidAt: (userId: UserId) => number;
}

/** The state of pushes: `off` when the settings configure no push service, and no browser has subscribed. */
export interface PushHealth {
  verdict: 'off' | 'ok' | 'degraded';
  remedy?: string;
}

/** Retention of completed rows. */
const KEPT_MS = 7 * 86_400_000;
const PRUNE_MS = 3_600_000;
/** A test that is not seen soon is useless. */
const TEST_STALE_MS = 600_000;

/** Notifies people's devices of relevant events while they are not in use. */
export class PushService {
  readonly #options: PushServiceOptions;
  readonly #rows: OutboxRows;
  readonly #presence: DevicePresence;
  readonly #outbox: Outbox;
  readonly #dispatcher: PushDispatcher;
  #pruning: NodeJS.Timeout | undefined;

  constructor(options: PushServiceOptions) {
    this.#options = options;
    const { store, log, now, senders } = options;
    const rows = new OutboxRows({ store, log, onChange: options.onState });
    const presence = new DevicePresence({ now, onChange: (userId) => this.#outbox.judgeAgain(userId) });
    const lastSaidAt = () => Math.max(...presence.looking().map(options.lastSaidAt));
    const pace = new PushPace({ lastSaidAt });
    const byPlatform = new Map<PushPlatform, PushSender>(senders.map((sender) => [sender.platform, sender]));
    this.#dispatcher = new PushDispatcher({
      ...options,
      rows,
      pace,
      senders: byPlatform,
      onDone: () => this.#outbox.wake(),
    });
    const onError = (error: unknown) => log.error('pushes could not be judged', { error: String(error) });
    const judge = new PushJudge({ ...options, presence });
    this.#outbox = new Outbox({ ...options, rows, judge, pace, dispatcher: this.#dispatcher, onError });
    this.#rows = rows;
    this.#presence = presence;
  }

  get vapidKey(): string | undefined {
    return this.#options.vapidKey;
  }

  get reach(): PushReach {
    return this.#options.reach;
  }

  get health(): PushHealth {
    const { senders, isSetUp, devices, vapidSubject } = this.#options;
    const browsers = devices.tokensOf('web');
    // First: without its keys no browser can register, and the problem would never be reported.
    const problem = senders.find((sender) => sender.problem)?.problem ?? subjectProblem(vapidSubject, browsers);
    if (problem) return { verdict: 'degraded', remedy: `${problem.message}. ${problem.remedy}` };
    return { verdict: isSetUp || browsers.length > 0 ? 'ok' : 'off' };
  }

  /** Owed or being sent. */
  get openCount(): number {
    return this.#rows.openCount;
  }

  /** Reads the open rows. Called before the first commit. */
  load(): Promise<void> {
    return this.#rows.load();
  }

  /** Starts sending: the sessions are known. */
  begin(): void {
    this.#presence.begin();
    this.#outbox.begin();
    void this.#prune();
    this.#pruning = setInterval(() => void this.#prune(), PRUNE_MS).unref();
  }

  /** The pushes that devices are owed for a change that is being written. */
  owe({ record, events }: SessionChange): PushRecord[] {
    const { devices, epoch, now } = this.#options;
    if (events.length === 0) return [];
    const at = now();
    const registered = () =>
      devices.pushDevices(record.owner).flatMap(({ device, registration }) => (registration ? [device] : []));
    const resolutions = resolutionsIn(events);
    const parts = { rows: this.#rows, sessions: this.#options.sessions, epoch, now: at };
    const withdrawals = withdrawalPushes(record, resolutions, parts);
    for (const { permissionId } of resolutions) this.#outbox.resolved(record.sessionId, permissionId);
    return [...pushesFor(record, events, { devices: registered, epoch, now: at }), ...withdrawals];
  }

  /** The rows for a change whose pushes could not be computed: they record that, and are not sent. */
  unowed({ record, events }: SessionChange): PushRecord[] {
    const { devices, epoch, now } = this.#options;
    const registered = devices.pushDevices(record.owner).filter(({ registration }) => registration);
    const refs = registered.map(({ device }) => device);
    return failedPushes(record, events, { devices: () => refs, epoch, now: now() });
  }

  /** The rows are in the journal. */
  committed(pushes: readonly PushRecord[]): void {
    this.#outbox.took(pushes);
    for (const push of pushes) this.#options.onState(push);
  }

  /** A device has received everything up to these positions. */
  acknowledged(device: DeviceRef, cursors: ReadonlyMap<SessionId, StoredCursor>): void {
    // A session that has just been opened begins at 0.
    if ([...cursors.values()].every(({ seq }) => seq === 0)) return;
    this.#presence.acknowledged(device);
    this.#outbox.acknowledged(device, cursors);
  }

  forgotten(sessionId: SessionId): void {
    this.#rows.forget(sessionId);
  }

  /** A device has connected. */
  arrive(device: DeviceRef): Visit {
    return this.#presence.arrive(device);
  }

  /** The device's preferences or the session's have changed. */
  judgeAgain(userId: UserId): void {
    this.#outbox.judgeAgain(userId);
  }

  /** Queues a test push for a device, in place of an earlier unsent one. Resolves to its id once it is recorded. */
  async test(device: DeviceRef): Promise<string> {
    const { epoch, now } = this.#options;
    const at = now();
    const push = newPush({ device, about: { what: 'test' }, epoch, now: at, expiresAt: at + TEST_STALE_MS });
    for (const earlier of Array.from(this.#rows.open())) {
      if (earlier.state !== 'owed' || earlier.kind !== 'test' || !isSameDevice(earlier.device, device)) continue;
      this.#rows.change(changed(earlier, { state: 'suppressed', at, reason: `told by ${push.pushId}` }));
    }
    this.#rows.add(push);
    await this.#rows.flush();
    this.#outbox.wake();
    return push.pushId;
  }

  /** Notifies a person's other devices that this one was signed out because its credential was copied. */
  async warn(device: DeviceRef, name = 'a device'): Promise<void> {
    const { devices, epoch, now } = this.#options;
    const about = { what: 'security', deviceName: name } as const;
    for (const other of devices.pushDevices(device.userId)) {
      if (other.registration && !isSameDevice(other.device, device))
        this.#rows.add(newPush({ device: other.device, about, epoch, now: now() }));
    }
    await this.#rows.flush();
    this.#outbox.wake();
  }

  /** The outcomes of a person's pushes, newest first. */
  async deliveries(userId: UserId, range: { limit: number; offset: number }): Promise<PushPage> {
    await this.#rows.flush();
    return this.#options.store.readPage(userId, range);
  }

  /** The push of this token, if it is valid for this answer to this request. */
  async findByToken({ sessionId, permissionId, response, token }: TokenAnswer): Promise<PushRecord | undefined> {
    const pushes = await this.#options.store.readRequest(sessionId, permissionId);
    const found = pushes.find((push) => isTokenOf(push, response, token));
    // The device's permissions can have changed since the push was made.
    return found && this.#mayApprove(found.device) ? found : undefined;
  }

  #mayApprove(device: DeviceRef): boolean {
    const known = this.#options.devices.pushDevices(device.userId).find((one) => isSameDevice(one.device, device));
    return known?.mayApprove ?? false;
  }

  /** The request was answered by the notification: its token for that is used up. */
  answered({ pushId }: PushRecord, response: string): void {
    const push = this.#rows.find(pushId);
    if (push) this.#outbox.seen(withoutTokens(push, response), 'answered');
  }

  async close(): Promise<void> {
    clearInterval(this.#pruning);
    await this.#outbox.close();
    await Promise.all(this.#options.senders.map((sender) => sender.close()));
    await this.#dispatcher.settled();
    await this.#rows.close();
  }

  async #prune(): Promise<void> {
    const { store, now, log } = this.#options;
    const before = now() - KEPT_MS;
    this.#rows.prune(before);
    try {
      while (await store.prune(before)) await new Promise(setImmediate);
    } catch (error) {
      log.warn('old pushes could not be removed', { error: String(error) });
    }
  }
}

const isSameDevice = (a: DeviceRef, b: DeviceRef): boolean => a.userId === b.userId && a.deviceId === b.deviceId;

export interface TokenAnswer {
  sessionId: SessionId;
  permissionId: string;
  response: string;
  token: string;
}
