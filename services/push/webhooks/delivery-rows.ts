/** Rows of deliveries: their creation and their changes. */
import { nanoid } from 'nanoid';
import type { WebhookFailure } from '../../../protocol/webhooks.js';
import type { WebhookDelivery, WebhookRecord } from '../../ports/webhooks.js';
import { nextTryOf } from './retries.js';
import type { WebhookAnswer } from './webhook-sender.js';

type Given = Pick<WebhookDelivery, 'type' | 'body'> & { sessionId?: WebhookDelivery['sessionId'] };

export const newDelivery = ({ webhookId, userId }: WebhookRecord, given: Given, now: number): WebhookDelivery => ({
  deliveryId: `msg_${nanoid()}`,
  webhookId,
  userId,
  ...given,
  state: 'owed',
  attempts: 0,
  tried: 0,
  nextTry: now,
  createdAt: now,
  updatedAt: now,
});

export const failedDelivery = (
  delivery: WebhookDelivery,
  reason: NonNullable<WebhookDelivery['reason']>,
  now: number,
): WebhookDelivery => ({ ...delivery, state: 'failed', reason, updatedAt: now });

/** Owed once more, from now on. */
export const replayed = ({ reason: _reason, triedSince: _since, ...delivery }: WebhookDelivery, now: number) =>
  ({ ...delivery, state: 'owed', tried: 0, nextTry: now, updatedAt: now }) satisfies WebhookDelivery;

export interface Attempt {
  answer: Exclude<WebhookAnswer, { kind: 'closed' }>;
  at: number;
  durationMs: number;
  now: number;
  /** From 0 to 1. */
  random: number;
}

const GONE = 410;

/** The row after an attempt. */
export function attempted(
  delivery: WebhookDelivery,
  { answer, at, durationMs, now, random }: Attempt,
): WebhookDelivery {
  const { status, retryAfter } = answer.kind === 'answered' ? answer : { status: undefined, retryAfter: undefined };
  const failure = failureOf(answer);
  const tried = delivery.tried + 1;
  const last = { at, durationMs, ...(status !== undefined && { status }), ...(failure && { failure }) };
  const counted = {
    ...delivery,
    attempts: delivery.attempts + 1,
    tried,
    triedSince: delivery.triedSince ?? at,
    last,
    updatedAt: now,
  };
  if (!failure) return { ...counted, state: 'delivered', reason: undefined };
  if (status === GONE) return failedDelivery(counted, 'gone', now);
  const nextTry = delivery.type === 'test' ? undefined : nextTryOf({ tried, retryAfter, now, random });
  return nextTry === undefined ? failedDelivery(counted, 'given_up', now) : { ...counted, nextTry };
}

function failureOf(answer: Attempt['answer']): WebhookFailure | undefined {
  if (answer.kind === 'failed') return answer.failure;
  if (answer.status >= 200 && answer.status < 300) return undefined;
  return answer.status >= 300 && answer.status < 400 ? 'redirect' : 'status';
}

/**
 * Why a webhook is disabled after this attempt: it answered 410, or a message was given up and nothing has arrived since
 * its first attempt.
 */
export function disabledBy(
  { failingSince }: WebhookRecord,
  { state, reason, type, triedSince = 0 }: WebhookDelivery,
): 'gone' | 'failing' | undefined {
  if (state !== 'failed') return undefined;
  if (reason === 'gone') return 'gone';
  const isDead = failingSince !== undefined && failingSince <= triedSince;
  return reason === 'given_up' && type !== 'test' && isDead ? 'failing' : undefined;
}
