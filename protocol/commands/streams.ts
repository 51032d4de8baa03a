/** Event streams. Each writes its own audit entry, at its beginning. */
import { eventStreamSchema, personStreamSchema } from '../event-stream.js';
import { type RestRule, reads } from './rules.js';

export const STREAM_COMMANDS = {
  streamAll: { at: 'GET /api/stream', ...reads('read'), query: personStreamSchema },
  streamSession: { at: 'GET /api/sessions/:id/stream', ...reads('read'), query: eventStreamSchema },
  streamPrompt: { at: 'GET /api/sessions/:id/prompts/:promptId/stream', ...reads('read'), query: eventStreamSchema },
} as const satisfies Record<string, RestRule>;
