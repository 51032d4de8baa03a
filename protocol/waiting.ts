/** `GET /api/waiting`: each session's items that wait for a person, and its running and queued prompts. */
import * as z from 'zod';
import { EVENTS } from './events.js';
import { sessionIdSchema, sessionStatusSchema, timestampSchema } from './scalars.js';

export const listWaitingSchema = z.object({ sessionId: sessionIdSchema.optional() });

export const waitingPermissionSchema = EVENTS.permissionRequest.extend({ askedAt: timestampSchema });

const waitingPromptSchema = z.object({
  promptId: z.string(),
  state: z.enum(['running', 'queued']).describe('`running`: given to the child.'),
  text: z.string().describe('Its first 200 characters; `truncated` when it is longer.'),
  truncated: z.boolean().optional(),
  sentAt: timestampSchema,
  deviceId: z.string(),
  deviceConnected: z.boolean().describe('The device that sent it is connected.'),
});
export type WaitingPrompt = z.infer<typeof waitingPromptSchema>;

export const lastPromptSchema = z.object({
  promptId: z.string(),
  status: z.enum(['completed', 'failed', 'cancelled']),
  subtype: z.string(),
  completedAt: timestampSchema,
});

export const waitingSessionSchema = z.object({
  sessionId: z.string(),
  workingDirectory: z.string(),
  sessionName: z.string().optional(),
  status: sessionStatusSchema,
  permissions: z.array(waitingPermissionSchema).describe('Oldest first.'),
  prompts: z.array(waitingPromptSchema).describe('In execution order; at most 100.'),
  promptCount: z.int().describe('The total number.'),
  lastPrompt: lastPromptSchema.optional().describe('The last one that began and has ended.'),
});
export type WaitingSession = z.infer<typeof waitingSessionSchema>;

export const waitingSchema = z.object({ sessions: z.array(waitingSessionSchema) });
export type Waiting = z.infer<typeof waitingSchema>;
