import { nanoid } from 'nanoid';
import { CompanionError } from '../../../protocol/error-codes.js';
import type { SessionId } from '../../../protocol/scalars.js';
import type { DisabledReason } from '../../../protocol/webhooks.js';
import { isDelivery } from '../../model/owed-rows.js';
import type { Log } from '../../ports/log.js';
import type { OwedRow, SessionPushes } from '../../ports/outbox.js';
import type { SessionChange, UserId } from '../../ports/records.js';
import type { WebhookDelivery, WebhookRecord, WebhookStore } from '../../ports/webhooks.js';
import { concernOf } from '../policy/concerns.js';
import type { PushReach } from '../web/push-reach.js';
import { type Attempt, disabledBy, failedDelivery, newDelivery, replayed } from './delivery-rows.js';
import { bodyOf, testBody } from './event-body.js';
import { digestOf, secretOf, signedHeaders } from './signatures.js';
import { WebhookDispatcher } from './webhook-dispatcher.js';
import { WebhookRows } from './webhook-rows.js';
import type { WebhookSender } from './webhook-sender.js';

export interface WebhooksOptions {
  store: WebhookStore;
  sender: Pick<WebhookSender, 'post'>;
  reach: PushReach;
  /** A secret of the daemon. */
  mac: Buffer;
  now: () => number;
  /** From 0 to 1. */
  random?: () => number;
  log: Log;
  /** `outcome`: `delivered`, or what failed. */
  onAttempted: (delivery: WebhookDelivery, outcome: string) => void;
  /** The daemon has disabled it. */
  onDisabled: (webhook: WebhookRecord, reason: DisabledReason) => void;
}

export type NewWebhook = Pick<
  WebhookRecord,
  'userId' | 'url' | 'events' | 'sessionIds' | 'project' | 'description' | 'createdBy'
>;
export interface WebhookChange {
  url?: string | undefined;
  events?: WebhookRecord['events'] | null;
  enabled?: boolean | undefined;
  description?: string | null | undefined;
}

/** Of one person; a higher number is a mistake. */
const MAX_WEBHOOKS = 20;
/** Owed to one webhook. */
const MAX_OWED = 500;
const DAY_MS = 86_400_000;
/** Retention of deliveries that are not owed. */
const KEPT_MS = 7 * DAY_MS;
const PRUNE_MS = 3_600_000;

/**
 * Tells other programs what happens in sessions. What they are owed is written with its event, and sent until it has
 * arrived or is given up: at least once, under the same id.
 */
export class Webhooks implements SessionPushes {
  readonly #options: WebhooksOptions;
  readonly #rows: WebhookRows;
  readonly #dispatcher: WebhookDispatcher;
  #pruning: NodeJS.Timeout | undefined;

  constructor(options: WebhooksOptions) {
    this.#options = options;
    const { now, log, random = Math.random } = options;
    this.#rows = new WebhookRows(options);
    this.#dispatcher = new WebhookDispatcher({
      rows: this.#rows,
      post: async (webhook, delivery) => this.#post(webhook, delivery),
      onAttempted: (delivery, answer) => this.#conclude(delivery, answer),
      now,
      random,
      onError: (error) => log.error('a webhook could not be sent to', { error: String(error) }),
    });
  }

  /** Reads what there is. Called before the first commit. */
  load(): void {
    this.#rows.load();
  }

  /** Sends from now on. Those of people who are gone end. */
  begin(isPerson: (userId: UserId) => boolean): void {
    for (const userId of new Set(Array.from(this.#rows.all(), (webhook) => webhook.userId)))
      if (!isPerson(userId)) this.forgetPerson(userId);
    this.#dispatcher.begin();
    this.#prune();
    this.#pruning = setInterval(() => this.#prune(), PRUNE_MS).unref();
  }

  /** What is owed to all of them together. */
  get owedCount(): number {
    return this.#rows.owedCount;
  }

  list(userId: UserId): WebhookRecord[] {
    return Array.from(this.#rows.all()).filter((webhook) => webhook.userId === userId);
  }

  /** Throws `NOT_FOUND`. */
  require(userId: UserId, webhookId: string): WebhookRecord {
    const found = this.#rows.find(webhookId);
    if (found?.userId === userId) return found;
    throw new CompanionError('NOT_FOUND', 'There is no such webhook.', { field: 'id' });
  }

  /** Rejects with `INVALID_REQUEST` where the address is not one that may be sent to, and `CONFLICT` beyond 20. */
  async add(given: NewWebhook): Promise<{ webhook: WebhookRecord; secret: string }> {
    this.#requireRoom(given.userId);
    await this.#options.reach.requirePublicUrl(given.url);
    this.#requireRoom(given.userId);
    const { mac, now } = this.#options;
    const keyed = { webhookId: `wh_${nanoid()}`, generation: 1 };
    const at = now();
    const times = { createdAt: at, updatedAt: at };
    const webhook = { ...keyed, ...given, enabled: true, digest: digestOf(mac, keyed), ...times };
    this.#rows.put({ webhooks: [webhook] });
    return { webhook, secret: secretOf(mac, webhook) };
  }

  #requireRoom(userId: UserId): void {
    if (this.list(userId).length < MAX_WEBHOOKS) return;
    throw new CompanionError('CONFLICT', `A person has at most ${MAX_WEBHOOKS} webhooks.`, {
      suggestion: 'Delete webhooks that are no longer used.',
    });
  }

  /** Rejects as `add` does. `guard` is called when nothing can come in between any more. */
  async change(
    { userId, webhookId }: WebhookRecord,
    { enabled, description, events, url }: WebhookChange,
    guard?: () => void,
  ): Promise<WebhookRecord> {
    if (url !== undefined) await this.#options.reach.requirePublicUrl(url);
    const before = this.require(userId, webhookId);
    guard?.();
    const at = this.#options.now();
    const webhook: WebhookRecord = {
      ...before,
      ...(url !== undefined && { url }),
      ...(events !== undefined && { events: events ?? undefined }),
      ...(description !== undefined && { description: description ?? undefined }),
      ...(enabled === true && { enabled, disabled: undefined, failingSince: undefined }),
      ...(enabled === false && { enabled }),
      updatedAt: at,
    };
    this.#rows.put({ webhooks: [webhook], deliveries: webhook.enabled ? [] : this.#givenUp(webhookId, at) });
    this.#dispatcher.wake();
    return webhook;
  }

  /** A new secret; the one before signs too for a day. */
  rotate(before: WebhookRecord): { webhook: WebhookRecord; secret: string } {
    const { mac, now } = this.#options;
    const at = now();
    const keyed = { webhookId: before.webhookId, generation: before.generation + 1 };
    const webhook = { ...before, ...keyed, digest: digestOf(mac, keyed), rotatedAt: at, updatedAt: at };
    this.#rows.put({ webhooks: [webhook] });
    return { webhook, secret: secretOf(mac, webhook) };
  }

  remove({ webhookId }: WebhookRecord): void {
    this.#rows.remove(webhookId);
  }

  forgetPerson(userId: UserId): void {
    this.#rows.forgetPerson(userId);
  }

  /** Queues a message that says nothing. Throws `CONFLICT` while it is disabled, or is owed too much. */
  test(webhook: WebhookRecord): WebhookDelivery {
    this.#requireSendable(webhook);
    const { now } = this.#options;
    const at = now();
    return this.#queue(newDelivery(webhook, { type: 'test', body: testBody(webhook.webhookId, at) }, at));
  }

  /** Newest first. */
  deliveries({ webhookId }: WebhookRecord): WebhookDelivery[] {
    this.#rows.flush();
    return this.#options.store.listDeliveries(webhookId);
  }

  /** Sends it once more, under the same id. Throws `NOT_FOUND`, and `CONFLICT` while the webhook is disabled. */
  replay(webhook: WebhookRecord, deliveryId: string): WebhookDelivery {
    this.#rows.flush();
    const found = this.#options.store.findDelivery(webhook.webhookId, deliveryId);
    if (!found) throw new CompanionError('NOT_FOUND', 'There is no such delivery.', { field: 'deliveryId' });
    if (this.#dispatcher.isUnderWay(found)) return found;
    this.#requireSendable(webhook, found);
    return this.#queue(replayed(found, this.#options.now()));
  }

  #queue(delivery: WebhookDelivery): WebhookDelivery {
    this.#rows.put({ deliveries: [delivery] });
    this.#dispatcher.wake();
    return delivery;
  }

  #requireSendable({ webhookId, enabled }: WebhookRecord, delivery?: WebhookDelivery): void {
    if (!enabled) {
      throw new CompanionError('CONFLICT', 'The webhook is disabled.', {
        suggestion: 'Enable it again (`enabled: true`).',
      });
    }
    const owed = this.#rows.owedTo(webhookId);
    if (owed.size >= MAX_OWED && !(delivery && owed.has(delivery.deliveryId))) {
      throw new CompanionError('CONFLICT', `At most ${MAX_OWED} deliveries wait for one webhook.`);
    }
  }

  /** A bug blocks no session: the event is written, and the log has its location. */
  owed(change: SessionChange): readonly WebhookDelivery[] {
    return this.#attempt('determine what webhooks are owed', () => this.#deliveriesFor(change)) ?? [];
  }

  /** Rows that cannot be taken up are read from the journal at the next start. */
  committed(_change: SessionChange, owed: readonly OwedRow[]): void {
    const deliveries = owed.filter(isDelivery);
    if (deliveries.length === 0) return;
    this.#attempt('take up what webhooks are owed', () => {
      this.#rows.take(deliveries);
      this.#dispatcher.wake();
    });
  }

  forgotten(sessionId: SessionId): void {
    this.#attempt('forget the deliveries of a session', () => this.#rows.forgetSession(sessionId));
  }

  /** Sends nothing more. Resolves when what is being sent is on record, or soon: the next daemon sends the rest. */
  async close(): Promise<void> {
    clearInterval(this.#pruning);
    await this.#dispatcher.close();
    this.#rows.close();
  }

  #deliveriesFor({ record, events }: SessionChange): WebhookDelivery[] {
    if (events.length === 0 || record.ofProgram) return [];
    const webhooks = this.list(record.owner).filter((webhook) => webhook.enabled && isAbout(webhook, record));
    if (webhooks.length === 0) return [];
    const now = this.#options.now();
    const { sessionId } = record;
    return events.flatMap((event) => {
      const concern = concernOf(sessionId, event);
      if (!concern) return [];
      const { kind: type } = concern;
      const told = webhooks.filter(({ events: wanted }) => wanted?.includes(type) ?? true);
      const body = bodyOf(concern, record);
      return told.map((webhook) => this.#bounded(newDelivery(webhook, { type, body, sessionId }, now)));
    });
  }

  #bounded(delivery: WebhookDelivery): WebhookDelivery {
    const isFull = this.#rows.owedTo(delivery.webhookId).size >= MAX_OWED;
    return isFull ? failedDelivery(delivery, 'too_many', delivery.createdAt) : delivery;
  }

  async #post(webhook: WebhookRecord, delivery: WebhookDelivery): ReturnType<WebhookSender['post']> {
    const { mac, now, sender } = this.#options;
    if (digestOf(mac, webhook) !== webhook.digest) {
      this.#disable(webhook, 'secret_lost');
      return { kind: 'closed' };
    }
    const headers = signedHeaders(delivery, { webhook, mac, now: now() });
    return sender.post({ url: webhook.url, headers, body: delivery.body });
  }

  #conclude(delivery: WebhookDelivery, answer: Attempt['answer']): void {
    const { log, onAttempted } = this.#options;
    const { webhookId, deliveryId, type, state, last, attempts } = delivery;
    const webhook = this.#rows.find(webhookId);
    if (!webhook) return;
    const failure = last?.failure;
    const detail = answer.kind === 'failed' ? answer.detail : undefined;
    const level = failure ? 'info' : 'debug';
    log[level]('webhook', { webhookId, deliveryId, type, state, attempts, status: last?.status, failure, detail });
    onAttempted(delivery, failure ?? 'delivered');
    const changed = this.#afterAttempt(webhook, delivery);
    this.#rows.note({ webhooks: changed === webhook ? [] : [changed], deliveries: [delivery] });
    const reason = disabledBy(changed, delivery);
    if (reason) this.#disable(changed, reason);
  }

  #afterAttempt(webhook: WebhookRecord, { state, last, type }: WebhookDelivery): WebhookRecord {
    if (state === 'delivered')
      return webhook.failingSince === undefined ? webhook : { ...webhook, failingSince: undefined };
    const isIts = type !== 'test' && last?.failure !== 'internal';
    if (!isIts || webhook.failingSince !== undefined) return webhook;
    return { ...webhook, failingSince: last?.at };
  }

  #disable(webhook: WebhookRecord, reason: DisabledReason): void {
    const { now, log, onDisabled } = this.#options;
    if (!webhook.enabled) return;
    const at = now();
    const disabled = { ...webhook, enabled: false, disabled: { reason, at }, updatedAt: at };
    this.#rows.note({ webhooks: [disabled], deliveries: this.#givenUp(webhook.webhookId, at) });
    log.warn('a webhook is disabled', { webhookId: webhook.webhookId, reason });
    onDisabled(disabled, reason);
  }

  #givenUp(webhookId: string, at: number): WebhookDelivery[] {
    return Array.from(this.#rows.owedTo(webhookId).values(), (one) => failedDelivery(one, 'disabled', at));
  }

  #prune(): void {
    this.#attempt('remove old deliveries', () => this.#options.store.prune(this.#options.now() - KEPT_MS));
  }

  /** Undefined after a failure: the log has its location. */
  #attempt<T>(what: string, action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      const stack = error instanceof Error ? error.stack : String(error);
      this.#options.log.error(`webhooks: could not ${what}`, { error: stack });
      return undefined;
    }
  }
}

function isAbout(
  { sessionIds, project }: WebhookRecord,
  { sessionId, directory }: Pick<SessionChange['record'], 'sessionId' | 'directory'>,
): boolean {
  return (sessionIds?.includes(sessionId) ?? true) && (project === undefined || project === directory);
}
