import type { SessionId } from '../../protocol/scalars.js';
import type { PositionedFrame } from '../../protocol/server-frames.js';
import type { EventRecord, UserId } from './records.js';

/** What a session publishes, in the order in which clients must see it. */
export type Publication = { kind: 'event'; event: EventRecord } | { kind: 'frame'; frame: PositionedFrame };

export interface PublishedSession {
  sessionId: SessionId;
  owner: UserId;
}

/** Delivers what sessions publish to its followers, after it is in the journal. Never blocks and never throws. */
export interface Publisher {
  publish(session: PublishedSession, items: readonly Publication[]): void;
  /** Whether a connected device of this person has subscribed to the type by its name. */
  isNamed(owner: UserId, type: PositionedFrame['type']): boolean;
  /** A new session exists: those who follow all sessions of its owner get it. */
  opened(session: PublishedSession): void;
  /**
   * The session has published its last event and is about to be forgotten. Resolves when its followers have received
   * everything or have left, after 5 s at most: until then its record is read. Its streams then end, whatever was sent.
   */
  forgotten(sessionId: SessionId): Promise<void>;
}
