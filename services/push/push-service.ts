import type { SessionId } from '../../protocol/scalars.js';
import { isSameDevice } from '../model/devices.js';
import { isPush } from '../model/owed-rows.js';
import type { CursorStore, StoredCursor } from '../ports/cursors.js';
import type { Log } from '../ports/log.js';
import type { OutboxStore, OwedRow, PushPage, PushRecord, SessionPushes } from '../ports/outbox.js';
import type { PushPlatform, PushSender } from '../ports/push.js';
import type { PushDevices, PushSessions } from '../ports/push-people.js';
import type { DeviceRef, SessionChange, UserId } from '../ports/records.js';
import { isTokenOf, withoutTokens } from './message/compose-message.js';
import { Outbox } from './outbox/outbox.js';
import { OutboxRows } from './outbox/outbox-rows.js';
import {
  type About,
  changed,
  failedPushes,
  newPush,
  pushesFor,
  resolutionsIn,
  withdrawalPushes,
} from './outbox/push-record.js';
import { PushPolicy, type Visit } from './policy/push-policy.js';
import { PushDispatcher, type PushDispatcherOptions } from './sending/dispatcher.js';
import { PushPace } from './sending/push-pace.js';
import type { PushReach } from './web/push-reach.js';
import { subjectProblem, type VapidSubject } from './web/vapid.js';

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
export class PushService implements SessionPushes {
  readonly #options: PushServiceOptions;
  readonly #rows: OutboxRows;
  readonly #policy: PushPolicy;
  readonly #outbox: Outbox;
  readonly #dispatcher: PushDispatcher;
  #pruning: NodeJS.Timeout | undefined;

  constructor(options: PushServiceOptions) {
    this.#options = options;
    const { store, log, senders } = options;
    const rows = new OutboxRows({ store, log, onChange: options.onState });
    const policy = new PushPolicy({ ...options, onChange: (userId) => this.#outbox.judgeAgain(userId) });
    const lastSaidAt = () => Math.max(...policy.presence.looking().map(options.lastSaidAt));
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
    this.#outbox = new Outbox({ ...options, rows, policy, pace, dispatcher: this.#dispatcher, onError });
    this.#rows = rows;
    this.#policy = policy;
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
  load(): void {
    this.#rows.load();
  }

  /** Starts sending: the sessions are known. */
  begin(): void {
    this.#policy.presence.begin();
    this.#outbox.begin();
    void this.#prune();
    this.#pruning = setInterval(() => void this.#prune(), PRUNE_MS).unref();
  }

  /** A bug blocks no session: the event is written, and the missing push is on record. */
  owed(change: SessionChange): readonly PushRecord[] {
    return (
      this.#attempt('determine the pushes owed', () => this.#pushesFor(change)) ??
      this.#attempt('record that pushes are missing', () => this.#failedFor(change)) ??
      []
    );
  }

  /** Rows that cannot be taken up are read from the journal at the next start. */
  committed({ record, events }: SessionChange, owed: readonly OwedRow[]): void {
    const pushes = owed.filter(isPush);
    this.#attempt('take up the pushes owed', () => {
      for (const { permissionId } of resolutionsIn(events)) this.#outbox.resolved(record.sessionId, permissionId);
      this.#outbox.took(pushes);
      for (const push of pushes) this.#options.onState(push);
    });
  }

  /** A device has received everything up to these positions. */
  acknowledged(device: DeviceRef, cursors: ReadonlyMap<SessionId, StoredCursor>): void {
    // A session that has just been opened begins at 0.
    if ([...cursors.values()].every(({ seq }) => seq === 0)) return;
    this.#attempt('note what was seen', () => {
      this.#policy.presence.acknowledged(device);
      this.#outbox.acknowledged(device, cursors);
    });
  }

  forgotten(sessionId: SessionId): void {
    this.#attempt('forget the pushes of a session', () => this.#rows.forget(sessionId));
  }

  #pushesFor({ record, events }: SessionChange): PushRecord[] {
    const { sessions, epoch, now } = this.#options;
    if (events.length === 0) return [];
    const at = now();
    const pushes = this.#rows.ofSession(record.sessionId);
    const withdrawals = withdrawalPushes(record, resolutionsIn(events), { pushes, sessions, epoch, now: at });
    const devices = () => this.#registered(record.owner);
    return [...pushesFor(record, events, { devices, epoch, now: at }), ...withdrawals];
  }

  /** They record that the pushes could not be computed, and are not sent. */
  #failedFor({ record, events }: SessionChange): PushRecord[] {
    const { epoch, now } = this.#options;
    return failedPushes(record, events, { devices: () => this.#registered(record.owner), epoch, now: now() });
  }

  #registered(owner: UserId): DeviceRef[] {
    const devices = this.#options.devices.pushDevices(owner);
    return devices.flatMap(({ device, registration }) => (registration ? [device] : []));
  }

  /** Undefined after a failure, which is a bug: the log has its location. */
  #attempt<T>(what: string, action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      const stack = error instanceof Error ? error.stack : String(error);
      this.#options.log.error(`pushes: could not ${what}`, { error: stack });
      return undefined;
    }
  }

  /** A device has connected. */
  arrive(device: DeviceRef): Visit {
    return this.#policy.presence.arrive(device);
  }

  /** The device's preferences or the session's have changed. */
  judgeAgain(userId: UserId): void {
    this.#outbox.judgeAgain(userId);
  }

  /** Queues a test push for a device, in place of an earlier unsent one. Returns its id once it is recorded. */
  test(device: DeviceRef): string {
    const { epoch, now } = this.#options;
    const at = now();
    const push = newPush({ device, about: { what: 'test' }, epoch, now: at, expiresAt: at + TEST_STALE_MS });
    for (const earlier of Array.from(this.#rows.open())) {
      if (earlier.state !== 'owed' || earlier.kind !== 'test' || !isSameDevice(earlier.device, device)) continue;
      this.#rows.change(changed(earlier, { state: 'suppressed', at, reason: `told by ${push.pushId}` }));
    }
    this.#rows.add(push);
    this.#rows.flush();
    this.#outbox.wake();
    return push.pushId;
  }

  /** Notifies a person's other devices that this one was signed out because its credential was copied. */
  warn(device: DeviceRef, name = 'a device'): void {
    const others = this.#registered(device.userId).filter((other) => !isSameDevice(other, device));
    this.#tell(others, { what: 'security', deviceName: name });
  }

  /** Notifies a person that the daemon has disabled one of their webhooks. */
  tellDisabled(userId: UserId, webhook: { webhookId: string; name: string }): void {
    this.#tell(this.#registered(userId), { what: 'webhook', ...webhook });
  }

  #tell(devices: readonly DeviceRef[], about: About): void {
    const { epoch, now } = this.#options;
    for (const device of devices) this.#rows.add(newPush({ device, about, epoch, now: now() }));
    this.#rows.flush();
    this.#outbox.wake();
  }

  /** The outcomes of a person's pushes, newest first. */
  deliveries(userId: UserId, range: { limit: number; offset: number }): PushPage {
    this.#rows.flush();
    return this.#options.store.readPage(userId, range);
  }

  /** The push of this token, if it is valid for this answer to this request. */
  findByToken({ sessionId, permissionId, response, token }: TokenAnswer): PushRecord | undefined {
    const pushes = this.#options.store.readRequest(sessionId, permissionId);
    const found = pushes.find((push) => isTokenOf(push, response, token));
    // The device's permissions can have changed since the push was made.
    return found && this.#mayApprove(found.device) ? found : undefined;
  }

  /** Whether this is a token for any answer to this request. */
  holdsToken({ sessionId, permissionId, token }: Omit<TokenAnswer, 'response'>): boolean {
    const pushes = this.#options.store.readRequest(sessionId, permissionId);
    return pushes.some((push) => Object.keys(push.actions ?? {}).some((decision) => isTokenOf(push, decision, token)));
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
    this.#rows.close();
  }

  async #prune(): Promise<void> {
    const { store, now, log } = this.#options;
    const before = now() - KEPT_MS;
    this.#rows.prune(before);
    try {
      while (store.prune(before)) await new Promise(setImmediate);
    } catch (error) {
      log.warn('old pushes could not be removed', { error: String(error) });
    }
  }
}

export interface TokenAnswer {
  sessionId: SessionId;
  permissionId: string;
  response: string;
  token: string;
}
