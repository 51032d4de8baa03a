import { setImmediate as turnOfOthers } from 'node:timers/promises';
import type { PushBody } from '../../../protocol/push-preferences.js';
import { bodyFor, readPreferences } from '../../model/push-preferences.js';
import type { Log } from '../../ports/log.js';
import type { PushRecord } from '../../ports/outbox.js';
import type { PushMessage, PushPlatform, PushRegistration, PushSender, SendOutcome } from '../../ports/push.js';
import type { PushDevice, PushDevices, PushSessions } from '../../ports/push-people.js';
import type { UserId } from '../../ports/records.js';
import {
  badgeOf,
  composeDigest,
  composePush,
  composeSecurity,
  composeTest,
  composeWebhook,
  composeWithdrawal,
  makeTokens,
  notifiedOptions,
} from '../message/compose-message.js';
import { type OutboxRows, pushAddressOf } from '../outbox/outbox-rows.js';
import { type About, type Change, changed } from '../outbox/push-record.js';
import { type Concern, isWaiting } from '../policy/concerns.js';
import type { PushPace } from './push-pace.js';

export interface PushDispatcherOptions {
  rows: OutboxRows;
  pace: PushPace;
  senders: ReadonlyMap<PushPlatform, PushSender>;
  devices: PushDevices;
  sessions: PushSessions;
  /** The default for devices without a preference. */
  body: PushBody;
  log: Log;
  now: () => number;
  /** There is capacity for another push. */
  onDone: () => void;
}

/** A push to send. `row`: its state at the time of the decision. */
export interface Sendable {
  row: PushRecord;
  push: PushRecord;
}

/** Maximum number of pushes in flight; senders' connections allow this many. */
const MAX_UNDER_WAY = 128;
const BACKOFF_MS = 2000;
const MAX_BACKOFF_MS = 600_000;
/** Delay after the device has registered anew during a push. */
const REGISTERED_ANEW_MS = 1000;

/** Passes pushes to senders and records their outcomes. */
export class PushDispatcher {
  readonly #options: PushDispatcherOptions;
  /** By the order that must be kept: the device and the collapse id. */
  readonly #underWay = new Map<string, Promise<void>>();

  constructor(options: PushDispatcherOptions) {
    this.#options = options;
  }

  get room(): number {
    return MAX_UNDER_WAY - this.#underWay.size;
  }

  /** Whether this row must wait for another one of the same address. */
  isBlocked(push: PushRecord): boolean {
    return this.#underWay.has(pushAddressOf(push));
  }

  /**
   * Composes the messages a few at a time, marks the rows as being sent, and then sends them. At most `room`. Rows that
   * have changed since the decision are skipped.
   */
  async dispatch(all: readonly Sendable[]): Promise<void> {
    const { rows, pace } = this.#options;
    const badges = this.#badges();
    const begun: Begun[] = [];
    for (let from = 0, to = 0; from < all.length; from = to) {
      if (from > 0) await turnOfOthers();
      to = from + pace.atOnce;
      for (const { row, push } of all.slice(from, to)) {
        const isAsDecided = rows.find(row.pushId) === row;
        // Another row of this call can block it too.
        if (isAsDecided && !this.isBlocked(push)) begun.push(this.#begin(push, badges));
      }
    }
    rows.flush();
    // A sender only hands them to its thread, all of them together.
    for (const { push, settle } of begun) void this.#send(push).finally(() => this.#end(push, settle));
  }

  #begin(push: PushRecord, badges: Badges): Begun {
    const { rows, now } = this.#options;
    const prepared = this.#prepare(push, badges);
    const sending = changed(push, { state: 'sending', at: now(), ...prepared, attempts: push.attempts + 1 });
    rows.change(sending);
    let settle = () => {};
    const done = new Promise<void>((resolve) => {
      settle = resolve;
    });
    this.#underWay.set(pushAddressOf(push), done);
    return { push: sending, settle };
  }

  /** Resolves when no push is in flight any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay.values());
  }

  #end(push: PushRecord, settle: () => void): void {
    this.#underWay.delete(pushAddressOf(push));
    settle();
    this.#options.onDone();
  }

  async #send(push: PushRecord): Promise<void> {
    const { devices, senders, rows, log } = this.#options;
    const found = deviceOf(devices, push);
    const registration = found?.registration;
    const message = rows.messages.get(push.pushId);
    const sender = registration && senders.get(registration.platform);
    let change: Change;
    let detail: string | undefined;
    if (!registration || !message) change = this.#change('suppressed', 'the device is not registered');
    else if (!sender) change = this.#change('failed', `the server is not set up for ${registration.platform}`);
    else {
      const outcome = await sender
        .send(registration, message)
        .catch((error: unknown): SendOutcome => ({ kind: 'retry', reason: (error as Error).message }));
      if (outcome.kind === 'retry') detail = outcome.detail;
      change = await this.#conclude(push, registration, outcome);
    }
    const current = rows.find(push.pushId) ?? push;
    rows.change(changed(current, change));
    rows.flushSoon();
    const { pushId, kind, device } = push;
    // Its row contains the same. A line for each of thousands costs as much as writing the rows.
    const level = change.state === 'accepted' ? 'debug' : 'info';
    log[level]('push', { pushId, kind, deviceId: device.deviceId, state: change.state, reason: change.reason, detail });
  }

  async #conclude(push: PushRecord, registration: PushRegistration, outcome: SendOutcome): Promise<Change> {
    switch (outcome.kind) {
      case 'accepted':
        if (outcome.environment)
          await this.#try(this.#options.devices.correctEnvironment(registration, outcome.environment));
        return this.#change('accepted', outcome.note);
      case 'failed':
        return this.#change('failed', outcome.reason);
      case 'retry':
        return { ...this.#change('owed', outcome.reason), nextTry: this.#nextTry(push, outcome.afterMs) };
      case 'unregistered':
        return this.#unregister(registration, outcome);
    }
  }

  async #unregister(
    registration: PushRegistration,
    { reason, since }: Extract<SendOutcome, { kind: 'unregistered' }>,
  ): Promise<Change> {
    const { devices, now } = this.#options;
    const isNewer = since !== undefined && registration.registeredAt > since;
    const ended = !isNewer && (await this.#try(devices.endRegistration(registration)));
    if (ended || isNewer) return this.#change('failed', reason);
    return { ...this.#change('owed', reason), nextTry: now() + REGISTERED_ANEW_MS };
  }

  /** A registry that cannot be written is no reason to send again. */
  async #try<T>(action: Promise<T>): Promise<T | true> {
    try {
      return await action;
    } catch (error) {
      this.#options.log.warn('a registration could not be changed', { error: (error as Error).message });
      return true;
    }
  }

  #change(state: Change['state'], reason: string | undefined): Change {
    return { state, at: this.#options.now(), reason };
  }

  /** Not after it becomes stale, which must be noticed. */
  #nextTry({ attempts, expiresAt }: PushRecord, afterMs = 0): number {
    const backoff = Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** Math.min(attempts - 1, 20));
    // Half of it is random, so that pushes that failed together are not retried together.
    const jittered = backoff / 2 + (Math.random() * backoff) / 2;
    return Math.min(this.#options.now() + Math.max(afterMs, Math.ceil(jittered)), expiresAt);
  }

  /** Composes its message, unless that was done before. */
  #prepare(push: PushRecord, badges: Badges): Pick<Change, 'actions'> {
    const { rows } = this.#options;
    if (rows.messages.has(push.pushId)) return {};
    const about = rows.aboutOf(push);
    const isTrusted = deviceOf(this.#options.devices, push)?.mayApprove ?? false;
    const made =
      about.what === 'concern' && isTrusted ? makeTokens(decisionsOf(about.concern), push.actions) : undefined;
    const message = this.#compose(push, about, badges(push.device.userId));
    const isAnswerable = made !== undefined && Object.keys(made.tokens).length > 0;
    rows.messages.set(push.pushId, { ...message, ...(isAnswerable && { actionTokens: made.tokens }) });
    return isAnswerable ? { actions: made.digests } : {};
  }

  /** All pushes of a person that are composed together have the same badge. */
  #badges(): Badges {
    const known = new Map<UserId, number>();
    return (userId) => {
      const badge = known.get(userId) ?? badgeOf(this.#options.sessions.openRequests(userId));
      known.set(userId, badge);
      return badge;
    };
  }

  #compose(push: PushRecord, about: About, badge: number): PushMessage {
    const { sessions, devices, body } = this.#options;
    const envelope = { pushId: push.pushId, badge, expiresAt: push.expiresAt };
    switch (about.what) {
      case 'test':
        return composeTest(envelope);
      case 'security':
        return composeSecurity(about.deviceName, envelope);
      case 'webhook':
        return composeWebhook(about, envelope);
      case 'digest':
        return composeDigest(about.results, envelope);
      case 'withdrawal':
        return composeWithdrawal(about, envelope);
      case 'concern': {
        const { concern } = about;
        const project = sessions.find(concern.sessionId)?.project ?? '';
        const preferences = readPreferences(deviceOf(devices, push)?.preferences);
        return composePush(concern, { project, body: bodyFor(preferences, body) }, envelope);
      }
    }
  }
}

/** A push that is marked as being sent. */
interface Begun {
  push: PushRecord;
  settle: () => void;
}

type Badges = (userId: UserId) => number;

const decisionsOf = (concern: Concern): readonly string[] => (isWaiting(concern) ? notifiedOptions(concern) : []);

const deviceOf = (devices: PushDevices, { device }: PushRecord): PushDevice | undefined =>
  devices.pushDevices(device.userId).find((one) => one.device.deviceId === device.deviceId);
