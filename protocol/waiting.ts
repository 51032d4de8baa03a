/** `GET /api/waiting`: what waits for a person, and which prompts run or wait, in each session. */
import * as z from 'zod';
import { EVENTS } from './events.js';
import { sessionIdSchema, sessionStatusSchema, timestampSchema } from './scalars.js';

export const listWaitingSchema = z.object({ sessionId: sessionIdSchema.optional() });

const waitingPermissionSchema = EVENTS.permissionRequest.extend({ askedAt: timestampSchema });

const waitingPromptSchema = z.object({
  promptId: z.string(),
  /** `running`: the child has it. */
  state: z.enum(['running', 'queued']),
  /** Its first 200 characters; `truncated` when that is not all. */
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
  /** In the order in which they run; at most 100. */
  prompts: z.array(waitingPromptSchema),
  /** All of them. */
  promptCount: z.int(),
});
export type WaitingSession = z.infer<typeof waitingSessionSchema>;

export const waitingSchema = z.object({ sessions: z.array(waitingSessionSchema) });
export type Waiting = z.infer<typeof waitingSchema>;
