/**
 * Pushes to browsers (RFC 8030), encrypted for the subscription (RFC 8291), with VAPID (RFC 8292). The only importer of
 * `web-push`, which encrypts and signs, and is loaded with the first push; the request is made here, so that it ends in
 * time and its connection is reused.
 */
import { Agent, request as httpsRequest } from 'node:https';
import type { RequestDetails } from 'web-push';
import * as z from 'zod';
import { parseJson } from '../../../protocol/json.js';
import type { PushMessage, PushRegistration, PushSender, SendOutcome } from '../../ports/push.js';
import type { PushProblem } from '../apns/apns-key.js';
import { deepLink, fitContent, isWaiting, shortCollapseId } from '../message/fit-content.js';
import { retryOutcome } from '../sending/retry-after.js';
import type { PushReach } from './push-reach.js';
import type { OpenedVapidKeys, VapidKeys } from './vapid.js';

export interface WebPushSenderOptions {
  opened: OpenedVapidKeys;
  /** A `mailto:` or `https:` address. */
  subject: string;
  reach: PushReach;
  /** PEM: trusted instead of the system's certificates. */
  ca?: string;
  /** Per request. Default: 5 s. */
  timeoutMs?: number;
}

/** The only failure text for devices: distinct texts would reveal which hosts and ports answer. */
const UNREACHABLE = 'the push service cannot be reached';

const REQUEST_TIMEOUT_MS = 5000;
/** A push service is only required to accept 4,096 bytes: less a header of 86, a tag of 16 and a delimiter. */
const MAX_PLAIN_BYTES = 4096 - 86 - 16 - 1;
const MAX_ANSWER_CHARS = 10_000;
const SECOND_MS = 1000;

const isHttps = (text: string) => URL.canParse(text) && new URL(text).protocol === 'https:';
const subscriptionSchema = z.object({
  endpoint: z.string().refine(isHttps),
  keys: z.object({ p256dh: z.string(), auth: z.string() }),
});
type Subscription = z.infer<typeof subscriptionSchema>;

export const createWebPushSender = (options: WebPushSenderOptions): PushSender => new WebPushSender(options);

interface Answer {
  status: number;
  retryAfter: string | undefined;
  body: string;
}

class WebPushSender implements PushSender {
  readonly platform = 'web';
  readonly #options: WebPushSenderOptions;
  readonly #agent: Agent;
  readonly #closing = new AbortController();
  #trouble: PushProblem | undefined;

  constructor(options: WebPushSenderOptions) {
    this.#options = options;
    this.#agent = new Agent({ keepAlive: true, ...(options.ca !== undefined && { ca: options.ca }) });
  }

  get problem(): PushProblem | undefined {
    const { opened } = this.#options;
    return 'problem' in opened ? opened.problem : this.#trouble;
  }

  async send(registration: PushRegistration, message: PushMessage): Promise<SendOutcome> {
    if (this.#closing.signal.aborted) return { kind: 'retry', reason: 'closing' };
    const { opened } = this.#options;
    if ('problem' in opened) return { kind: 'failed', reason: opened.problem.message };
    const subscription = parseSubscription(registration.token);
    if (!subscription) return { kind: 'unregistered', reason: 'the token is not a subscription' };
    const { payload, note } = compose(message);
    const details = await this.#seal({ subscription, keys: opened.keys }, payload, message);
    if ('kind' in details) return details;
    try {
      return this.#conclude(await this.#post(details), note);
    } catch (error) {
      if (this.#closing.signal.aborted) return { kind: 'retry', reason: 'closing' };
      return { kind: 'retry', reason: UNREACHABLE, detail: failureOf(error) };
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#agent.destroy();
  }

  /** The request to send, or why this subscription cannot be sent to. */
  async #seal(
    { subscription, keys }: { subscription: Subscription; keys: VapidKeys },
    payload: string,
    message: PushMessage,
  ): Promise<RequestDetails | SendOutcome> {
    const { default: webPush } = await import('web-push');
    try {
      return webPush.generateRequestDetails(subscription, payload, {
        vapidDetails: { subject: this.#options.subject, ...keys },
        TTL: Math.max(0, Math.floor((message.expiresAt - Date.now()) / SECOND_MS)),
        urgency: isWaiting(message.kind) ? 'high' : 'normal',
        topic: shortCollapseId(message.collapseId),
        contentEncoding: 'aes128gcm',
      });
    } catch (error) {
      if (isAboutKeys(error)) return { kind: 'unregistered', reason: 'the keys of the subscription are not valid' };
      // The problem is the daemon's own, and no reason to forget a browser.
      const reason = 'the push cannot be signed';
      this.#trouble = {
        message: `${reason}: ${(error as Error).message}`,
        remedy: 'Check VAPID_SUBJECT and the keys.',
      };
      return { kind: 'failed', reason };
    }
  }

  async #post({ endpoint, method, headers, body }: RequestDetails): Promise<Answer> {
    const timeout = AbortSignal.timeout(this.#options.timeoutMs ?? REQUEST_TIMEOUT_MS);
    const signal = AbortSignal.any([timeout, this.#closing.signal]);
    const { reach } = this.#options;
    const url = new URL(endpoint);
    reach.requireLiteral(url);
    return new Promise((resolve, reject) => {
      const request = httpsRequest(url, {
        method,
        headers: { ...headers },
        agent: this.#agent,
        lookup: reach.lookup,
        signal,
      });
      request.once('error', reject);
      request.once('response', (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          if (text.length < MAX_ANSWER_CHARS) text += chunk;
        });
        response.once('error', reject);
        response.once('end', () =>
          resolve({ status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'], body: text }),
        );
      });
      request.end(body);
    });
  }

  #conclude(answer: Answer, note: string | undefined): SendOutcome {
    const { status } = answer;
    if (status >= 200 && status < 300) {
      this.#trouble = undefined;
      return { kind: 'accepted', ...(note !== undefined && { note }) };
    }
    const reason = reasonOf(answer);
    if (status === 404 || status === 410) return { kind: 'unregistered', reason };
    const retry = retryOutcome(answer, reason);
    if (retry) return retry;
    if (status === 401 || status === 403)
      this.#trouble = {
        message: `a push service refuses the VAPID keys: ${reason}`,
        remedy: 'Check VAPID_SUBJECT and the clock. Browsers that subscribed with another key must subscribe again.',
      };
    return { kind: 'failed', reason };
  }
}

const parseSubscription = (token: string): Subscription | undefined =>
  subscriptionSchema.safeParse(parseJson(token)).data;

/** Whether web-push (3.6.7) rejects the browser's keys: their length, or that they are no point of the curve. */
function isAboutKeys(error: unknown): boolean {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'ERR_CRYPTO_ECDH_INVALID_PUBLIC_KEY' || /p256dh|auth/.test(message);
}

/** The service worker shows it. Only the browser can read it, so that every token can be included. */
function compose(message: PushMessage): { payload: string; note: string | undefined } {
  const { pushId, kind, sessionId, seq, permissionId, collapseId, badge, words } = message;
  const url = deepLink(message);
  const envelope = {
    pushId,
    kind,
    collapseId,
    badge,
    ...(sessionId !== undefined && { sessionId }),
    ...(seq !== undefined && { seq }),
    ...(permissionId !== undefined && { permissionId }),
    ...(url !== undefined && { url }),
    ...(words && { words }),
  };
  if (kind === 'withdrawal') return { payload: JSON.stringify({ ...envelope, withdraw: collapseId }), note: undefined };
  const room = MAX_PLAIN_BYTES - Buffer.byteLength(JSON.stringify(envelope));
  const { content, note } = fitContent(message, message.actionTokens && { ...message.actionTokens }, room);
  return { payload: JSON.stringify({ ...envelope, ...content }), note };
}

/** A single word such as Apple's `VapidPkHashMismatch`; other texts of push services can repeat the request. */
function reasonOf({ status, body }: Answer): string {
  const word = /"reason"\s*:\s*"([A-Za-z]{1,64})"/.exec(body)?.[1];
  return word ?? `HTTP ${status}`;
}

/** The code alone: messages contain the endpoint, which is a secret of the browser. */
function failureOf(error: unknown): string {
  const { name, code, cause } = error as { name?: unknown; code?: unknown; cause?: { name?: unknown } };
  if (name === 'TimeoutError' || cause?.name === 'TimeoutError') return 'no answer in time';
  return typeof code === 'string' ? code : 'no connection';
}
