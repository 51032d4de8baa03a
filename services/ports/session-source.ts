import type { EventData } from '../../protocol/events.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { Snapshot } from '../../protocol/server-frames.js';
import type { Tasks } from '../../protocol/tasks.js';
import type { OpenBlock } from './claude.js';
import type { UserId } from './records.js';

/** What delivery needs to know about sessions. */
export interface SessionSource {
  /** Undefined for a session of another person. */
  head(owner: UserId, sessionId: SessionId): number | undefined;
  /** All sessions of the person that have not ended. */
  owned(owner: UserId): SessionId[];
  openBlocks(sessionId: SessionId): OpenBlock[];
  openPermissions(sessionId: SessionId): EventData<'permissionRequest'>[];
  /** Undefined for a session that has ended. */
  tasks(sessionId: SessionId): Tasks | undefined;
  snapshot(sessionId: SessionId): Promise<Snapshot>;
}
