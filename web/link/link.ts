/** What connects the store with the daemon: everything that comes is told to the store, what views ask for is sent. */
import { type ClientInput, type CompanionClient, CompanionError, createBrowserClient } from '../../client/browser.js';
import {
  createRestClient,
  listMessages,
  listSessions,
  type RestClient,
  RestError,
  showSession,
  showSessionQueue,
} from '../../client/rest/index.js';
import type { ErrorCode } from '../../protocol/error-codes.js';
import type { ToldMessage } from '../../protocol/history.js';
import type { PermissionRequest } from '../store/console-state.js';
import type { Store } from '../store/store.js';
import { t } from '../strings/t.js';
import type { Credentials } from './credentials.js';
import { Presence } from './presence.js';
import { renewToken } from './renewal.js';
import { beginSeen } from './seen.js';
import { sharedWebSocket } from './shared-socket.js';

/** Messages of the first page, and of each older one. */
const PAGE = 50;
/** The most sessions that one request lists, or names. */
const MAX_SESSIONS = 1000;
const EVENTS = ['*', 'promptSuggestion'];

export interface LinkOptions {
  credentials: Credentials;
  store: Store;
}

export class Link {
  readonly client: CompanionClient;
  readonly rest: RestClient;
  readonly credentials: Credentials;
  readonly #store: Store;
  /** The head of each session when it was subscribed to. */
  readonly #heads = new Map<string, number>();
  readonly #sending = new Map<string, Promise<unknown>>();
  readonly #following: Promise<unknown>;
  readonly #presence: Presence;

  constructor({ credentials, store }: LinkOptions) {
    this.#store = store;
    this.credentials = credentials;
    const { origin } = location;
    this.rest = createRestClient({ url: origin, renewToken });
    this.client = createBrowserClient({
      url: `${origin.replace(/^http/, 'ws')}/ws`,
      deviceId: credentials.deviceId,
      renewToken,
      acknowledge: 'manual',
      webSocket: sharedWebSocket(),
    });
    this.#presence = new Presence(this.client);
    this.#listen();
    this.#following = this.#follow();
    // The state of the client shows a refusal, and `open` rejects with its reason.
    this.#following.catch(() => {});
  }

  close(): Promise<void> {
    this.#presence.close();
    return this.client.close();
  }

  /** Shows a session from its newest messages on. Safe to call again. */
  async open(sessionId: string): Promise<void> {
    const known = this.#store.get().transcripts.get(sessionId);
    if (!known || known.phase === 'failed') await this.#begin(sessionId);
  }

  async #begin(sessionId: string): Promise<void> {
    this.#store.dispatch({ do: 'opening', sessionId });
    try {
      await this.#following;
      await this.#open(sessionId);
      await this.#lookAtQueue(sessionId);
    } catch (error) {
      const isGone = codeOf(error) === 'SESSION_NOT_FOUND';
      this.#store.dispatch({ do: 'openFailed', sessionId, because: wordsOf(error), isGone });
    }
  }

  /** What has waited since before the events that follow. */
  async #lookAtQueue(sessionId: string): Promise<void> {
    const { queue, queueDepth, held } = await showSessionQueue(this.rest, { params: { id: sessionId } });
    this.#store.dispatch({ do: 'queued', sessionId, queue: { prompts: queue, depth: queueDepth, isHeld: held } });
  }

  /** Events follow from the first message of the newest page, so that nothing is between them. */
  async #open(sessionId: string): Promise<void> {
    const before = (this.#heads.get(sessionId) ?? 0) + 1;
    const page = await this.client.getMessageHistory({ sessionId, limit: PAGE, before });
    const oldest = page.messages.find(({ seq }) => seq !== undefined)?.seq ?? 1;
    const { state } = this.client;
    const epoch = state.kind === 'open' ? state.welcome.epoch : '';
    const cursors = { [sessionId]: { epoch, seq: oldest - 1 } };
    await this.client.subscribe({ events: EVENTS, sessionIds: [sessionId], cursors });
    this.#store.dispatch({
      do: 'opened',
      sessionId,
      after: oldest - 1,
      olderThan: page.hasMore ? oldest : undefined,
    });
  }

  /** Resolves when the page is there. */
  async loadOlder(sessionId: string): Promise<void> {
    const before = this.#store.get().transcripts.get(sessionId)?.olderThan;
    if (before === undefined) return;
    const page = await listMessages(this.rest, {
      params: { id: sessionId },
      query: { limit: PAGE, before, includeToolCalls: 'true' as never },
    });
    const messages = page.messages as unknown as ToldMessage[];
    const oldest = messages.find(({ seq }) => seq !== undefined)?.seq;
    this.#store.dispatch({ do: 'older', sessionId, messages, olderThan: page.hasMore ? oldest : undefined });
  }

  async refreshList(): Promise<void> {
    try {
      const { sessions } = await listSessions(this.rest, { query: { limit: MAX_SESSIONS } });
      beginSeen(sessions);
      this.#store.dispatch({ do: 'listed', sessions });
    } catch (error) {
      this.#store.dispatch({ do: 'listFailed', because: wordsOf(error) });
    }
  }

  /**
   * Sends a prompt, without an end: it waits for the connection. Asked for again under an id that waits for its answer,
   * it resolves with that one.
   */
  send(input: ClientInput<'streamSend'>, requestId: string): Promise<unknown> {
    const underWay = this.#sending.get(requestId);
    if (underWay) return underWay;
    const sending = this.client
      .request('streamSend', input, { requestId, timeoutMs: 0 })
      .finally(() => this.#sending.delete(requestId));
    this.#sending.set(requestId, sending);
    return sending;
  }

  /** Opens the session of a directory with a first prompt, and resolves with its id. */
  async start(input: ClientInput<'streamStart'>, requestId: string): Promise<string> {
    const { data } = await this.client.request('streamStart', input, { requestId });
    await this.#look(data.sessionId);
    return data.sessionId;
  }

  /** Answers a request. One that was decided meanwhile leaves the page, and so it is noted who came too late. */
  async answer(request: PermissionRequest, input: ClientInput<'permission'>): Promise<void> {
    try {
      await this.client.answerPermission(input);
    } catch (error) {
      if (!(error instanceof CompanionError) || error.code !== 'ALREADY_RESOLVED') throw error;
      this.#store.dispatch({ do: 'tooLate', request });
    }
  }

  #listen(): void {
    const { client } = this;
    const { dispatch } = this.#store;
    client.on('state', (state) => {
      dispatch({ do: 'connection', state });
      if (state.kind !== 'open') return;
      for (const { sessionId, head } of state.welcome.resumed) this.#heads.set(sessionId, head);
      this.#presence.connected();
      void this.refreshList();
    });
    client.on('event', (event) => {
      this.#heads.set(event.sessionId, event.seq);
      this.#presence.came(event);
      dispatch({ do: 'event', event });
      if (event.type === 'sessionStatus' && !this.#store.get().sessions.has(event.sessionId))
        void this.#look(event.sessionId);
    });
    client.on('frame', (frame) => dispatch({ do: 'frame', frame }));
    client.on('reset', (reset) => {
      this.#presence.reset(reset.sessionId);
      dispatch({ do: 'reset', reset });
    });
    client.on('error', (fault) => {
      // Two tabs have moved the stream at once: what is shown begins anew.
      if (fault.kind === 'gap' && this.#store.get().transcripts.has(fault.sessionId)) void this.#begin(fault.sessionId);
    });
    client.on('caughtUp', ({ sessionId }) => dispatch({ do: 'caughtUp', sessionId }));
  }

  async #follow(): Promise<void> {
    const { sessions } = await this.client.subscribe({ events: EVENTS });
    for (const { sessionId, head } of sessions) this.#heads.set(sessionId, head);
    const { state } = this.client;
    if (state.kind !== 'open') return;
    const { epoch, resumed } = state.welcome;
    // They began for another tab, which was told what is open in them: a stream tells it where it begins.
    const joined = sessions.filter(
      (one) => one.resume === 'live' && !resumed.some((known) => known.sessionId === one.sessionId),
    );
    if (joined.length === 0) return;
    const cursors = Object.fromEntries(
      joined.slice(0, MAX_SESSIONS).map(({ sessionId, from }) => [sessionId, { epoch, seq: from }]),
    );
    await this.client.subscribe({ events: EVENTS, cursors });
  }

  async #look(sessionId: string): Promise<void> {
    try {
      this.#store.dispatch({ do: 'viewed', session: await showSession(this.rest, { params: { id: sessionId } }) });
    } catch {
      // It is gone again, or the next list has it.
    }
  }
}

/** Undefined for what the daemon did not say. */
export const codeOf = (error: unknown): ErrorCode | undefined =>
  error instanceof CompanionError || error instanceof RestError ? error.code : undefined;

/** Words for a person: what happened, and what to do where there is something. */
export const wordsOf = (error: unknown): string => {
  if (codeOf(error) === 'STORAGE_FULL') return t('fault.storageFull', { reason: (error as Error).message });
  if (error instanceof CompanionError) return error.details?.suggestion ?? error.message;
  return error instanceof Error ? error.message : String(error);
};
