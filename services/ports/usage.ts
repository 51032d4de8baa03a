import type { SessionId } from '../../protocol/scalars.js';
import type { UserId } from './records.js';

/** What turns have used. */
export interface UsageAmounts {
  turns: number;
  /** Tokens. */
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite: number;
  /** US dollars. */
  cost: number;
}

/** The turns of a session on one day with one model. */
export interface UsageRow extends UsageAmounts {
  userId: UserId;
  sessionId: SessionId;
  /** `2026-11-30`, in UTC. */
  day: string;
  /** Empty where it is unknown. */
  model: string;
  /** The directory of the session. */
  project: string;
}

export interface UsageQuery {
  /** Absent: all people. */
  userId?: UserId;
  /** Days, both included. */
  from?: string | undefined;
  to?: string | undefined;
}

/** What turns have used, written with their ends; retention keeps it, and it goes with its session. */
export interface UsageStore {
  readUsage(query: UsageQuery): AsyncIterable<readonly UsageRow[]>;
}
