import type { SessionId } from '../../../protocol/scalars.js';
import type { Log } from '../../ports/log.js';
import type { UserId } from '../../ports/records.js';
import type { WebhookDelivery, WebhookRecord, WebhookStore } from '../../ports/webhooks.js';

/** Retry interval after a failed write: a full disk may have space again. */
const RETRY_MS = 1000;

type Changes = Parameters<WebhookStore['write']>[0];

/** Webhooks, and what they are owed, in memory as in the journal. */
export class WebhookRows {
  readonly #store: WebhookStore;
  readonly #log: Log;
  readonly #webhooks = new Map<string, WebhookRecord>();
  /** By webhook, in the order of the events. */
  readonly #owed = new Map<string, Map<string, WebhookDelivery>>();
  readonly #unwritten = { webhooks: new Map<string, WebhookRecord>(), deliveries: new Map<string, WebhookDelivery>() };
  #retry: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor({ store, log }: { store: WebhookStore; log: Log }) {
    this.#store = store;
    this.#log = log;
  }

  load(): void {
    for (const webhook of this.#store.readAll()) this.#webhooks.set(webhook.webhookId, webhook);
    // A salvaged journal can have lost a webhook.
    this.take(this.#store.readOwed().filter(({ webhookId }) => this.#webhooks.has(webhookId)));
  }

  all(): IterableIterator<WebhookRecord> {
    return this.#webhooks.values();
  }

  find(webhookId: string): WebhookRecord | undefined {
    return this.#webhooks.get(webhookId);
  }

  owedTo(webhookId: string): ReadonlyMap<string, WebhookDelivery> {
    return this.#owed.get(webhookId) ?? NONE;
  }

  get owedCount(): number {
    return [...this.#owed.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** Adds rows that are already in the journal, and drops those that are owed no longer. */
  take(deliveries: readonly WebhookDelivery[]): void {
    for (const delivery of deliveries) {
      const { webhookId, deliveryId, state } = delivery;
      const owed = this.#owed.get(webhookId) ?? new Map<string, WebhookDelivery>();
      if (state === 'owed') this.#owed.set(webhookId, owed.set(deliveryId, delivery));
      else if (owed.delete(deliveryId) && owed.size === 0) this.#owed.delete(webhookId);
    }
  }

  /** What a person asks for. Throws `STORAGE_FULL`, and then nothing has changed. */
  put(changes: Changes): void {
    this.flush();
    this.#store.write(changes);
    this.#keep(changes);
  }

  /** What has happened, and is so whether or not it can be written now: a later write repeats it. */
  note(changes: Changes): void {
    this.#keep(changes);
    const { webhooks = [], deliveries = [] } = changes;
    for (const webhook of webhooks) this.#unwritten.webhooks.set(webhook.webhookId, webhook);
    for (const one of deliveries) this.#unwritten.deliveries.set(one.deliveryId, one);
    this.#flushSoon();
  }

  remove(webhookId: string): void {
    this.#store.remove(webhookId);
    this.#drop(webhookId);
  }

  forgetPerson(userId: UserId): void {
    this.#store.forgetPerson(userId);
    for (const { webhookId, userId: owner } of Array.from(this.all())) if (owner === userId) this.#drop(webhookId);
  }

  /** The session and its rows were removed. */
  forgetSession(sessionId: SessionId): void {
    for (const [webhookId, owed] of this.#owed) {
      for (const one of owed.values()) if (one.sessionId === sessionId) owed.delete(one.deliveryId);
      if (owed.size === 0) this.#owed.delete(webhookId);
    }
    for (const one of this.#unwritten.deliveries.values())
      if (one.sessionId === sessionId) this.#unwritten.deliveries.delete(one.deliveryId);
  }

  /** Throws `STORAGE_FULL`. */
  flush(): void {
    const { webhooks, deliveries } = this.#unwritten;
    if (webhooks.size === 0 && deliveries.size === 0) return;
    this.#store.write({ webhooks: [...webhooks.values()], deliveries: [...deliveries.values()] });
    webhooks.clear();
    deliveries.clear();
  }

  close(): void {
    this.#isClosed = true;
    this.#flushSoon();
  }

  #flushSoon(): void {
    clearTimeout(this.#retry);
    try {
      this.flush();
    } catch (error) {
      this.#log.warn('what webhooks were sent cannot be recorded', { error: String(error) });
      if (!this.#isClosed) this.#retry = setTimeout(() => this.#flushSoon(), RETRY_MS).unref();
    }
  }

  #keep({ webhooks = [], deliveries = [] }: Changes): void {
    for (const webhook of webhooks) this.#webhooks.set(webhook.webhookId, webhook);
    this.take(deliveries);
  }

  #drop(webhookId: string): void {
    this.#webhooks.delete(webhookId);
    this.#owed.delete(webhookId);
    this.#unwritten.webhooks.delete(webhookId);
    for (const one of this.#unwritten.deliveries.values())
      if (one.webhookId === webhookId) this.#unwritten.deliveries.delete(one.deliveryId);
  }
}

const NONE: ReadonlyMap<string, WebhookDelivery> = new Map();
