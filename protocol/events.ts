/** The durable events: the schema of each one's `data`. Clients parse with these; the daemon uses their types. */
import * as z from 'zod';
import { contentBlockSchema, usageSchema } from './content.js';
import { errorCodeSchema, errorDetailsSchema } from './error-codes.js';
import { sessionStatusSchema, timestampSchema } from './scalars.js';

const id = z.string().min(1);

/** The grant that "always" remembers, or would remember. */
const rememberSchema = z.object({
  /** For a person: what Claude does without asking from then on, and for how long. */
  text: z.string(),
  /** In the CLI's notation: `Bash(npm run *)`. */
  rules: z.array(z.string()),
  /** Absolute paths of additional directories in which Claude works as in its own. */
  directories: z.array(z.string()).optional(),
  /** The permission mode that the session switches to. */
  mode: z.string().optional(),
  /** How long it lasts. `session`: until it is revoked or a new conversation begins. */
  scope: z.string(),
});
export type Remember = z.infer<typeof rememberSchema>;

export const rememberedSchema = rememberSchema.extend({
  id,
  rememberedAt: timestampSchema,
  toolName: z.string().optional(),
  byDeviceId: z.string().optional(),
});

export const EVENTS = {
  humanMessage: z.object({
    messageId: id,
    content: z.array(contentBlockSchema),
    deviceId: z.string(),
    promptId: id,
    truncated: z.boolean().optional(),
  }),
  systemInit: z.object({
    type: z.literal('system'),
    sessionId: id,
    workingDirectory: z.string(),
    availableTools: z.array(z.string()),
    mcpServers: z.array(z.string()),
    model: z.string(),
    permissionMode: z.string(),
    claudeSessionId: z.string(),
    timestamp: timestampSchema,
  }),
  assistantMessage: z.object({
    type: z.literal('assistant'),
    messageId: id,
    blockIndex: z.int().nonnegative(),
    content: z.array(contentBlockSchema).length(1),
    model: z.string().optional(),
    usage: usageSchema.optional(),
    parentToolUseId: z.string().optional(),
    partial: z.boolean().optional(),
    truncated: z.boolean().optional(),
    timestamp: timestampSchema,
  }),
  toolUse: z.object({
    type: z.literal('tool_use'),
    toolName: z.string(),
    toolInput: z.unknown(),
    toolId: id,
    parentToolUseId: z.string().optional(),
    truncated: z.boolean().optional(),
    timestamp: timestampSchema,
  }),
  toolResult: z.object({
    type: z.literal('tool_result'),
    toolName: z.string(),
    toolId: id,
    result: z.string().optional(),
    success: z.boolean(),
    error: z.string().optional(),
    truncated: z.boolean().optional(),
    parentToolUseId: z.string().optional(),
    timestamp: timestampSchema,
  }),
  permissionRequest: z.object({
    permissionId: id,
    sessionId: id,
    kind: z.enum(['tool', 'question', 'plan']),
    toolName: z.string(),
    /** The API's id of the tool call: the `toolId` of its `toolUse`. Not unique everywhere. */
    toolId: z.string().optional(),
    toolInput: z.unknown(),
    prompt: z.string(),
    options: z.array(z.string()),
    default: z.string(),
    defaultOption: z.string(),
    suggestions: z.array(z.unknown()).optional(),
    /** The grant that `always` remembers; absent when `always` is not among the options. */
    remember: rememberSchema.optional(),
    /** Why the CLI asks, in its words, and the path that it would not touch without asking. */
    reason: z.string().optional(),
    blockedPath: z.string().optional(),
    timeout: z.number(),
    truncated: z.boolean().optional(),
  }),
  permissionResolved: z.object({
    permissionId: id,
    sessionId: id,
    decision: z.enum(['allow', 'deny', 'expired', 'cancelled']),
    byDeviceId: z.string().optional(),
    /** The grant remembered by the answer. */
    remembered: rememberSchema.optional(),
  }),
  streamComplete: z.object({
    sessionId: id,
    promptId: id.optional(),
    steered: z.array(id).optional(),
    finalResult: z.string(),
    subtype: z.string(),
    isError: z.boolean(),
    duration: z.number(),
    cost: z.number().optional(),
    usage: usageSchema.optional(),
    numTurns: z.number(),
    truncated: z.boolean().optional(),
  }),
  sessionStatus: z.object({
    sessionId: id,
    status: sessionStatusSchema,
    lastActivity: timestampSchema,
    messageCount: z.int(),
    totalCost: z.number().optional(),
    model: z.string().optional(),
    /** The mode in effect. */
    permissionMode: z.string().optional(),
    /** The number of remembered grants. */
    remembered: z.int().optional(),
    queueDepth: z.int(),
    background: z.array(z.unknown()).optional(),
    /** Present while its prompts wait for another session's CLI to become idle; `position` 1 is the next. */
    place: z.object({ position: z.int(), estimateMs: z.int().optional() }).optional(),
    reason: z.string().optional(),
  }),
  /** A message for a person from the CLI, from a hook or about the conversation, not from Claude. */
  notice: z.object({
    sessionId: id,
    /** New kinds can be added. */
    kind: z.string(),
    level: z.enum(['info', 'warning']),
    message: z.string(),
    truncated: z.boolean().optional(),
    timestamp: timestampSchema,
  }),
  error: z.object({
    sessionId: id,
    code: errorCodeSchema,
    message: z.string(),
    details: errorDetailsSchema.optional(),
    /** The daemon has stopped retrying: a person must act. */
    givenUp: z.boolean().optional(),
  }),
} as const;

export type EventType = keyof typeof EVENTS;
export type EventData<T extends EventType> = z.infer<(typeof EVENTS)[T]>;
