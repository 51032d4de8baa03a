import type { SessionId } from '../../protocol/scalars.js';
import type { PositionedFrame } from '../../protocol/server-frames.js';
import type { EventRecord, UserId } from './records.js';

/** What a session says, in the order in which clients must see it. */
export type Publication = { kind: 'event'; event: EventRecord } | { kind: 'frame'; frame: PositionedFrame };

export interface PublishedSession {
  sessionId: SessionId;
  owner: UserId;
}

/** Takes what sessions say, after it is in the journal, to whoever listens. Never blocks and never throws. */
export interface Publisher {
  publish(session: PublishedSession, items: readonly Publication[]): void;
  /** A session is there that was not before: those who want all sessions of its owner get it. */
  opened(session: PublishedSession): void;
  /**
   * The session has said its last and is about to be forgotten. Resolves when its followers have had everything or have
   * left, at the latest after 5 s: until then its record is read. The streams of it end with that, whatever was sent.
   */
  forgotten(sessionId: SessionId): Promise<void>;
}
