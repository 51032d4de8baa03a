/** Pushes by an ntfy server, after its manual (docs.ntfy.sh/publish). Everyone who knows a topic can read it there. */
import type { PushKind, PushMessage, PushRegistration, PushSender, SendOutcome } from '../../ports/push.js';
import type { PushProblem } from '../apns/apns-key.js';
import { deepLink, fitContent, shortCollapseId, tokensInClear } from '../message/fit-content.js';
import { retryOutcome } from '../sending/retry-after.js';

export interface NtfySenderOptions {
  /** The server, http or https; it can have a path. */
  url: string;
  /** Its access token: without one the server does not restrict readers, so pushes have no buttons. */
  token?: string | undefined;
  /** The daemon's address for buttons; without it there are none. */
  publicUrl?: string | undefined;
  /** Whether the server can read tokens that allow actions. */
  actions: 'encrypted' | 'clear';
  /** Per request. Default: 5 s. */
  timeoutMs?: number;
}

const REQUEST_TIMEOUT_MS = 5000;
/** A longer message becomes an attachment. */
const MAX_BYTES = 4096;
const MAX_ACTIONS = 3;
const LABELS: Readonly<Record<string, string>> = { allow: 'Allow', deny: 'Deny' };

/** From 1 to 5; the default is 3. */
const PRIORITIES: Record<PushKind, number> = {
  permission: 4,
  question: 4,
  plan: 4,
  turn_complete: 3,
  turn_failed: 3,
  limit: 3,
  given_up: 3,
  budget: 3,
  digest: 3,
  security: 4,
  webhook: 3,
  test: 3,
  withdrawal: 1,
};

export const createNtfySender = (options: NtfySenderOptions): PushSender => new NtfySender(options);

class NtfySender implements PushSender {
  readonly platform = 'ntfy';
  readonly #options: NtfySenderOptions;
  readonly #closing = new AbortController();
  #trouble: PushProblem | undefined;

  constructor(options: NtfySenderOptions) {
    this.#options = options;
  }

  get problem(): PushProblem | undefined {
    return this.#trouble;
  }

  async send({ token: topic }: PushRegistration, message: PushMessage): Promise<SendOutcome> {
    if (this.#closing.signal.aborted) return { kind: 'retry', reason: 'closing' };
    if (!/^[-_A-Za-z0-9]{1,64}$/.test(topic)) return { kind: 'unregistered', reason: 'the token is not a topic' };
    try {
      return message.kind === 'withdrawal' ? await this.#withdraw(topic, message) : await this.#publish(topic, message);
    } catch (error) {
      if (this.#closing.signal.aborted) return { kind: 'retry', reason: 'closing' };
      const reason = failureOf(error);
      this.#trouble = {
        message: `the ntfy server cannot be reached: ${reason}`,
        remedy: 'Check NTFY_URL, the network, and that the server runs.',
      };
      return { kind: 'retry', reason };
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
  }

  async #publish(topic: string, message: PushMessage): Promise<SendOutcome> {
    const { body, note } = this.#compose(topic, message);
    const response = await this.#request('', { method: 'POST', body });
    return this.#conclude(response, note);
  }

  /** Since ntfy 2.16; an older server does not know the path and keeps its notification. */
  async #withdraw(topic: string, { collapseId }: PushMessage): Promise<SendOutcome> {
    const response = await this.#request(`${topic}/${shortCollapseId(collapseId)}`, { method: 'DELETE' });
    if (response.status === 404 || response.status === 405)
      return { kind: 'accepted', note: 'this ntfy server cannot withdraw notifications' };
    return this.#conclude(response, undefined);
  }

  async #request(path: string, init: { method: string; body?: string }): Promise<Response> {
    const { url, token } = this.#options;
    const timeout = AbortSignal.timeout(this.#options.timeoutMs ?? REQUEST_TIMEOUT_MS);
    const response = await fetch(below(url, path), {
      ...init,
      // A token belongs to one server.
      redirect: 'error',
      headers: {
        ...(init.body !== undefined && { 'content-type': 'application/json' }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      signal: AbortSignal.any([timeout, this.#closing.signal]),
    });
    // The body is not needed, but the connection is reused.
    await response.body?.cancel();
    return response;
  }

  #conclude({ status, headers }: Response, note: string | undefined): SendOutcome {
    if (status >= 200 && status < 300) {
      this.#trouble = undefined;
      return { kind: 'accepted', ...(note !== undefined && { note }) };
    }
    const reason = `HTTP ${status}`;
    if (status === 401 || status === 403)
      this.#trouble = {
        message: `the ntfy server refuses the pushes: ${reason}`,
        remedy: 'Check NTFY_TOKEN, and that it may write to the topics.',
      };
    return retryOutcome({ status, retryAfter: headers.get('retry-after') }, reason) ?? { kind: 'failed', reason };
  }

  #compose(topic: string, message: PushMessage): { body: string; note: string | undefined } {
    const click = deepLink(message);
    const envelope = {
      topic,
      priority: PRIORITIES[message.kind],
      sequence_id: shortCollapseId(message.collapseId),
      ...(click !== undefined && { click }),
    };
    const actions = this.#actions(message);
    const room = MAX_BYTES - Buffer.byteLength(JSON.stringify({ ...envelope, actions, title: '', message: '\n' }));
    const { content, note } = fitContent({ ...message, options: [] }, undefined, room);
    const text = [content.subtitle, content.body].filter((line) => line !== '').join('\n');
    const body = { ...envelope, title: content.title, message: text, ...(actions.length > 0 && { actions }) };
    return { body: JSON.stringify(body), note };
  }

  #actions({ sessionId, permissionId, actionTokens }: PushMessage): object[] {
    const { token, publicUrl, actions } = this.#options;
    if (token === undefined || publicUrl === undefined || sessionId === undefined || permissionId === undefined)
      return [];
    const path = `api/sessions/${encodeURIComponent(sessionId)}/permissions/${encodeURIComponent(permissionId)}`;
    // There is no space to show what "always" remembers, so it is not offered here.
    const given = Object.entries(tokensInClear(actionTokens, actions) ?? {});
    const tokens = given.filter(([response]) => response !== 'always').slice(0, MAX_ACTIONS);
    return tokens.map(([response, actionToken]) => ({
      action: 'http',
      label: LABELS[response] ?? response,
      url: below(publicUrl, path),
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ response, actionToken }),
      clear: true,
    }));
  }
}

const below = (base: string, path: string): string => new URL(path, base.endsWith('/') ? base : `${base}/`).href;

/** `fetch` wraps the system's error in its own. */
function failureOf(error: unknown): string {
  const { name, cause } = error as { name?: unknown; cause?: { code?: unknown } };
  if (name === 'TimeoutError') return 'no answer in time';
  return typeof cause?.code === 'string' ? cause.code : 'no connection';
}
