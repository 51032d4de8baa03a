import type { WebhookDelivery, WebhookRecord } from '../../ports/webhooks.js';
import { type Attempt, attempted } from './delivery-rows.js';
import { isDue } from './retries.js';
import type { WebhookRows } from './webhook-rows.js';
import type { WebhookAnswer } from './webhook-sender.js';

export interface WebhookDispatcherOptions {
  rows: WebhookRows;
  post: (webhook: WebhookRecord, delivery: WebhookDelivery) => Promise<WebhookAnswer>;
  /** With the delivery as it is after the attempt. */
  onAttempted: (delivery: WebhookDelivery, answer: Attempt['answer']) => void;
  now: () => number;
  random: () => number;
  onError: (error: unknown) => void;
}

/** Of one webhook: a slow one holds up no other. */
const MAX_AT_ONCE = 2;
/** How often to look at the clock while something is owed: a machine can sleep, and its clock be set. */
const LOOK_MS = 60_000;
/** For what is under way when the daemon ends; the next one sends the rest. */
const LEAVE_MS = 300;

/** Sends what is due, a few of each webhook at a time. One timer waits for the next; there is none where nothing is owed. */
export class WebhookDispatcher {
  readonly #options: WebhookDispatcherOptions;
  /** The attempts under way by delivery, by webhook. */
  readonly #underWay = new Map<string, Map<string, Promise<void>>>();
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #isOpen = false;

  constructor(options: WebhookDispatcherOptions) {
    this.#options = options;
  }

  begin(): void {
    this.#isOpen = true;
    this.wake();
  }

  /** Schedules a look. Changes in the same turn of the event loop share one. */
  wake(): void {
    if (!this.#isOpen) return;
    this.#immediate ??= setImmediate(() => {
      this.#immediate = undefined;
      this.#look();
    });
  }

  isUnderWay({ webhookId, deliveryId }: WebhookDelivery): boolean {
    return this.#underWay.get(webhookId)?.has(deliveryId) ?? false;
  }

  /** Begins nothing more. Resolves when what is under way has ended, or soon. */
  async close(): Promise<void> {
    this.#isOpen = false;
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LEAVE_MS);
    });
    const ends = [...this.#underWay.values()].flatMap((attempts) => [...attempts.values()]);
    await Promise.race([Promise.all(ends), late]);
    clearTimeout(timer);
  }

  #look(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#isOpen) return;
    const { rows, now } = this.#options;
    const at = now();
    let next = Number.POSITIVE_INFINITY;
    for (const webhook of rows.all()) if (webhook.enabled) next = Math.min(next, this.#lookAt(webhook, at));
    if (next === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(() => this.#look(), Math.min(LOOK_MS, Math.max(0, next - now()))).unref();
  }

  /** Returns when its next delivery is due; infinite where the end of an attempt comes first. */
  #lookAt(webhook: WebhookRecord, at: number): number {
    const { rows } = this.#options;
    const underWay = this.#underWay.get(webhook.webhookId);
    let room = MAX_AT_ONCE - (underWay?.size ?? 0);
    let next = Number.POSITIVE_INFINITY;
    for (const delivery of rows.owedTo(webhook.webhookId).values()) {
      if (room === 0) return Number.POSITIVE_INFINITY;
      if (this.isUnderWay(delivery)) continue;
      if (isDue(delivery.nextTry, at)) {
        this.#start(webhook, delivery);
        room -= 1;
      } else next = Math.min(next, delivery.nextTry);
    }
    return next;
  }

  #start(webhook: WebhookRecord, delivery: WebhookDelivery): void {
    const { webhookId, deliveryId } = delivery;
    const attempts = this.#underWay.get(webhookId) ?? new Map<string, Promise<void>>();
    const ended = this.#attempt(webhook, delivery)
      .catch(this.#options.onError)
      .finally(() => {
        attempts.delete(deliveryId);
        if (attempts.size === 0) this.#underWay.delete(webhookId);
        this.wake();
      });
    this.#underWay.set(webhookId, attempts.set(deliveryId, ended));
  }

  async #attempt(webhook: WebhookRecord, delivery: WebhookDelivery): Promise<void> {
    const { post, rows, now, random, onAttempted } = this.#options;
    const at = now();
    const began = performance.now();
    const answer = await post(webhook, delivery);
    // The next daemon sends it.
    if (answer.kind === 'closed') return;
    const durationMs = Math.round(performance.now() - began);
    // Removed with its webhook or its session, or given up when the webhook was disabled.
    const current = rows.owedTo(delivery.webhookId).get(delivery.deliveryId);
    if (!current) return;
    onAttempted(attempted(current, { answer, at, durationMs, now: now(), random: random() }), answer);
  }
}
