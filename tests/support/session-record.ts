import type { SessionId } from '../../protocol/scalars.js';
import type { SessionRecord, UserId } from '../../services/ports/records.js';

/** The record of a session that nothing has happened to. */
export const sessionRecord = (sessionId: string, owner = 'user'): SessionRecord => ({
  sessionId: sessionId as SessionId,
  owner: owner as UserId,
  directory: '/nowhere',
  directoryKey: '0:0',
  messageCount: 0,
  totalCost: 0,
  createdAt: 0,
  updatedAt: 0,
  lastActivity: 0,
});
