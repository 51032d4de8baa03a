/** What was said, in all sessions. */
import { searchSchema } from '../search.js';
import { changes, type RestRule } from './rules.js';

export const SEARCH_COMMANDS = {
  searchAll: { at: 'GET /api/search', ...changes('read', 'read'), query: searchSchema },
} as const satisfies Record<string, RestRule>;
