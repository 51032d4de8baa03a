import type { Cursor } from '../../../protocol/client-frames.js';
import type { SessionId } from '../../../protocol/scalars.js';
import type { UserId } from '../../ports/records.js';
import type { FeedOptions, FeedStart, SessionFeed } from './session-feed.js';

export interface PersonFeedOptions extends Pick<FeedOptions, 'events' | 'deltaIntervalMs' | 'sink'> {
  userId: UserId;
  /** The reader's position in a session that is there when the feed begins. */
  fromOf: (sessionId: SessionId) => Cursor;
  /** A session that began later was opened. */
  onOpened: (sessionId: SessionId) => void;
  /** The record is unreadable. */
  onEnd: (error: unknown) => void;
}

interface PersonFeedParts {
  epoch: string;
  owned: () => SessionId[];
  openFeed: (options: FeedOptions) => SessionFeed;
  onClose: () => void;
}

/** All sessions of a person for a reader without a device, those that begin later included: one feed for each. */
export class PersonFeed {
  readonly userId: UserId;
  readonly #options: PersonFeedOptions;
  readonly #parts: PersonFeedParts;
  readonly #feeds = new Map<SessionId, SessionFeed>();
  #isBegun = false;
  #isOver = false;

  constructor(options: PersonFeedOptions, parts: PersonFeedParts) {
    this.userId = options.userId;
    this.#options = options;
    this.#parts = parts;
    for (const sessionId of parts.owned()) this.#open(sessionId, options.fromOf(sessionId));
  }

  /** Where each session begins. */
  get starts(): ReadonlyMap<SessionId, FeedStart> {
    return new Map([...this.#feeds].map(([sessionId, { start }]) => [sessionId, start]));
  }

  /** Sends what the reader lacks, then what is published. */
  begin(): void {
    this.#isBegun = true;
    for (const feed of this.#feeds.values()) feed.begin();
  }

  /** A new session of the person. */
  opened(sessionId: SessionId): void {
    if (this.#isOver || this.#feeds.has(sessionId)) return;
    this.#options.onOpened(sessionId);
    const feed = this.#open(sessionId, { epoch: this.#parts.epoch, seq: 0 });
    if (this.#isBegun) feed.begin();
  }

  /** The sink has sent everything it was given. */
  drained(): void {
    for (const feed of this.#feeds.values()) feed.drained();
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const feed of this.#feeds.values()) feed.close();
    this.#parts.onClose();
  }

  #open(sessionId: SessionId, from: Cursor): SessionFeed {
    const { fromOf: _from, onOpened: _opened, ...options } = this.#options;
    const feed = this.#parts.openFeed({ ...options, sessionId, from, onEnd: (error) => this.#ended(sessionId, error) });
    this.#feeds.set(sessionId, feed);
    return feed;
  }

  /** A forgotten session leaves the others as they are. */
  #ended(sessionId: SessionId, error: unknown): void {
    this.#feeds.delete(sessionId);
    if (error === undefined || this.#isOver) return;
    this.close();
    this.#options.onEnd(error);
  }
}
