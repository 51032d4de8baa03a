/** `GET /api/waiting`: each session's items that wait for a person, and its running and queued prompts. */
import * as z from 'zod';
import { EVENTS } from './events.js';
import { sessionIdSchema, sessionStatusSchema, timestampSchema } from './scalars.js';

export const listWaitingSchema = z.object({ sessionId: sessionIdSchema.optional() });

const waitingPermissionSchema = EVENTS.permissionRequest.extend({ askedAt: timestampSchema });

const waitingPromptSchema = z.object({
  promptId: z.string(),
  /** `running`: given to the child. */
  state: z.enum(['running', 'queued']),
  /** Its first 200 characters; `truncated` when it is longer. */
  text: z.string(),
  truncated: z.boolean().optional(),
  sentAt: timestampSchema,
  deviceId: z.string(),
  /** The device that sent it is connected. */
  deviceConnected: z.boolean(),
});
export type WaitingPrompt = z.infer<typeof waitingPromptSchema>;

const waitingSessionSchema = z.object({
  sessionId: z.string(),
  workingDirectory: z.string(),
  sessionName: z.string().optional(),
  status: sessionStatusSchema,
  /** Oldest first. */
  permissions: z.array(waitingPermissionSchema),
  /** In execution order; at most 100. */
  prompts: z.array(waitingPromptSchema),
  /** The total number. */
  promptCount: z.int(),
});
export type WaitingSession = z.infer<typeof waitingSessionSchema>;

export const waitingSchema = z.object({ sessions: z.array(waitingSessionSchema) });
export type Waiting = z.infer<typeof waitingSchema>;
