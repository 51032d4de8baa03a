/** Requests that a client can repeat by their key: each runs once, and is answered again from here. */
import type { DeviceId, SessionId } from '../../protocol/scalars.js';
import type { UserId } from './records.js';

/** A key belongs to a person and a command. */
export interface AnswerKey {
  userId: UserId;
  command: string;
  /** The digest of the client's key. */
  key: string;
}

export interface BegunRequest extends AnswerKey {
  deviceId: DeviceId;
  /** The digest of what makes two requests the same. */
  fingerprint: string;
  /** Whose data the answer can have: it goes with the session. */
  sessionId: SessionId | undefined;
  /** Epoch milliseconds. */
  at: number;
}

export interface KeptAnswer {
  status: number;
  contentType: string;
  /** Undefined where it was not kept: it was too large, or must not be on the disk. */
  body: string | undefined;
}

export interface KnownRequest {
  deviceId: DeviceId;
  fingerprint: string;
  /** Undefined where the request began, and no answer was recorded. */
  answer: KeptAnswer | undefined;
}

/** Written data survives this process, however it ends. Every method throws `STORAGE_FULL` when the disk is full. */
export interface AnswerStore {
  /** A request that began after this time. */
  find(key: AnswerKey, after: number): KnownRequest | undefined;
  /** Records that a request begins, in the place of an older one; removes some that began before `expired`. */
  begin(request: BegunRequest, expired: number): void;
  /** `sessionId`: the session that the request has made. */
  finish(key: AnswerKey, answer: KeptAnswer, sessionId?: SessionId): void;
  /** Nothing has come of the request. */
  release(key: AnswerKey): void;
  /** Removes all of a person's. */
  forgetPerson(userId: UserId): void;
}
