/** The messages of sessions, and of conversations outside of them. */
import { listConversationsSchema } from '../conversations.js';
import { exportSchema, listHistorySchema, listMessagesSchema } from '../history.js';
import { changes, type RestRule } from './rules.js';

export const HISTORY_COMMANDS = {
  listMessages: { at: 'GET /api/sessions/:id/messages', ...changes('read', 'read'), query: listMessagesSchema },
  listHistory: { at: 'GET /api/sessions/:id/history', ...changes('read', 'read'), query: listHistorySchema },
  exportSession: { at: 'GET /api/sessions/:id/export', ...changes('read', 'read'), query: exportSchema },
  listConversations: { at: 'GET /api/conversations', ...changes('read', 'read'), query: listConversationsSchema },
} as const satisfies Record<string, RestRule>;
