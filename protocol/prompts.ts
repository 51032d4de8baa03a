/** Prompts over REST. */
import * as z from 'zod';
import { promptOrAttachment } from './client-frames.js';
import { usageSchema } from './content.js';
import { NOT_BOTH, notBoth, pageFields, pageShape } from './pages.js';
import { attachmentsSchema, promptTextSchema, timestampSchema, toolRulesSchema } from './scalars.js';
import { waitingPermissionSchema } from './waiting.js';

const WAIT_MS = 300_000;
const MAX_WAIT_MS = 3_600_000;

export const createPromptSchema = z
  .object({
    prompt: promptTextSchema,
    attachments: attachmentsSchema.optional(),
    mode: z.enum(['queue', 'steer']).optional().describe('Default: `queue`.'),
    allowedTools: toolRulesSchema
      .optional()
      .describe('Tools that need no question while its turn runs, as rules such as `Bash(git *)`. Needs `approve`.'),
  })
  .refine(promptOrAttachment, { path: ['prompt'], error: 'must not be empty without attachments' });

export const waitForPromptSchema = z.object({
  wait: z.enum(['true', 'false']).default('false').describe('`true`: the answer comes when the turn has ended.'),
  timeout: z.coerce
    .number()
    .int()
    .min(0)
    .max(MAX_WAIT_MS)
    .default(WAIT_MS)
    .describe('With `wait`, in milliseconds: then 202, and the prompt goes on.'),
});

const promptStatusSchema = z.enum(['queued', 'processing', 'completed', 'failed', 'cancelled']);
export type PromptStatus = z.infer<typeof promptStatusSchema>;

export const listPromptsSchema = z
  .object({ ...pageFields, status: promptStatusSchema.optional() })
  .refine(notBoth, NOT_BOTH);
export type ListPrompts = z.infer<typeof listPromptsSchema>;

const toolCallSchema = z.object({
  id: z.string(),
  tool: z.string(),
  params: z.unknown(),
  result: z.string().optional().describe('Absent while it runs.'),
  success: z.boolean().optional(),
  parentToolUseId: z.string().optional().describe('The tool use of the subagent that made it.'),
  truncated: z.boolean().optional().describe('Parts are missing; the events of the session have them.'),
});
export type ToolCall = z.infer<typeof toolCallSchema>;

export const promptViewSchema = z.object({
  id: z.string(),
  promptId: z.string().describe('The same as `id`.'),
  sessionId: z.string(),
  prompt: z.string().describe('At most 8,192 characters, of an ended prompt in a list 1,000.'),
  truncated: z.boolean().optional().describe('`prompt` or `response` is cut.'),
  status: promptStatusSchema,
  mode: z.enum(['queue', 'steer', 'resume']).describe('`resume`: the daemon sent it.'),
  position: z.int().optional().describe('While it waits: the prompts ahead of it, the running one included.'),
  deviceId: z.string(),
  via: z
    .array(z.string())
    .optional()
    .describe('Sent by an agent: the sessions through which it has come, the first one first.'),
  createdAt: timestampSchema,
  completedAt: timestampSchema.optional(),
  response: z
    .string()
    .optional()
    .describe('What Claude has said last in the turn; in a list of an ended one alone, at most its last 8 KiB.'),
  error: z.string().optional().describe('Of one that failed or was cancelled: why.'),
  subtype: z.string().optional().describe('How it ended, as in `streamComplete`.'),
  duration: z.int().optional().describe('In milliseconds.'),
  numTurns: z.int().optional(),
  usage: usageSchema.optional(),
  cost: z.number().optional(),
  metadata: z.object({
    allowedTools: z.array(z.string()).optional(),
    duration: z.int().optional(),
    tokenCount: z.int().optional().describe('All tokens of the turn, cached or not.'),
    toolCalls: z.array(toolCallSchema).optional().describe('Only for a single prompt: the first 200.'),
    toolCallCount: z.int().optional(),
  }),
});
export type PromptView = z.infer<typeof promptViewSchema>;

export const promptPageSchema = z.object({ prompts: z.array(promptViewSchema), ...pageShape });
export type PromptPage = z.infer<typeof promptPageSchema>;

/** `GET /api/sessions/:id/permissions`: the open requests, oldest first. */
export const openPermissionsSchema = z.object({
  permissions: z.array(waitingPermissionSchema),
});
export type OpenPermissions = z.infer<typeof openPermissionsSchema>;
