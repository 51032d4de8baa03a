/** Answers and positioned frames: everything a server sends except durable events. */
import * as z from 'zod';
import { contentBlockSchema, usageSchema } from './content.js';
import { errorCodeSchema, errorDetailsSchema } from './error-codes.js';
import { EVENTS } from './events.js';
import { seqSchema, sessionStatusSchema, timestampSchema } from './scalars.js';

const id = z.string().min(1);

export const resumeReasonSchema = z.enum(['retention', 'epoch', 'ahead']);
export type ResumeReason = z.infer<typeof resumeReasonSchema>;

export const resumedSessionSchema = z.object({
  sessionId: id,
  resume: z.enum(['replay', 'reset', 'live']),
  reason: resumeReasonSchema.optional(),
  from: seqSchema,
  head: seqSchema,
});
export type ResumedSession = z.infer<typeof resumedSessionSchema>;

export const historyMessageSchema = z.object({
  id,
  type: z.enum(['user', 'assistant']),
  content: z.array(contentBlockSchema),
  timestamp: z.string().optional(),
  model: z.string().optional(),
  usage: usageSchema.optional(),
  seq: seqSchema.optional(),
  truncated: z.boolean().optional(),
});
export type HistoryMessage = z.infer<typeof historyMessageSchema>;

export const snapshotSchema = z.object({
  status: EVENTS.sessionStatus,
  messages: z.array(historyMessageSchema),
  permissions: z.array(EVENTS.permissionRequest),
});
export type Snapshot = z.infer<typeof snapshotSchema>;

export const historySchema = z.object({
  success: z.boolean(),
  sessionId: id,
  messages: z.array(historyMessageSchema),
  totalCount: z.int(),
  offset: z.int(),
  limit: z.int().optional(),
  hasMore: z.boolean(),
  sessionMetadata: z.object({
    workingDirectory: z.string(),
    conversationStarted: z.boolean(),
    createdAt: z.number(),
    lastActivity: z.number(),
  }),
  timestamp: timestampSchema,
});
export type History = z.infer<typeof historySchema>;

export const ANSWERS = {
  welcome: z.object({
    clientId: id,
    deviceId: id,
    serverVersion: z.string(),
    claudeCodeVersion: z.string().optional(),
    capabilities: z.array(z.string()),
    maxSessions: z.int(),
    epoch: id,
    protocol: z.literal(1),
    heartbeatMs: z.int(),
    resumed: z.array(resumedSessionSchema),
  }),
  subscribed: z.object({
    events: z.array(z.string()),
    sessionIds: z.array(id),
    success: z.boolean(),
    sessions: z.array(resumedSessionSchema),
  }),
  unsubscribed: z.object({ sessionIds: z.array(id) }),
  streamStarted: z.object({
    sessionId: id,
    sessionName: z.string().optional(),
    workingDirectory: z.string(),
    reused: z.boolean(),
    promptId: id.optional(),
  }),
  promptAccepted: z.object({ promptId: id, sessionId: id, position: z.int().nonnegative(), duplicate: z.boolean() }),
  promptCancelled: z.object({ promptId: id, was: z.string() }),
  interrupted: z.object({ sessionId: id, was: sessionStatusSchema }),
  permissionAccepted: z.object({ permissionId: id, decision: z.enum(['allow', 'deny']) }),
  workingDirectorySet: z.object({ workingDirectory: z.string(), success: z.boolean() }),
  claudeResponse: z.object({
    content: z.string(),
    success: z.boolean(),
    sessionId: id.optional(),
    error: z.string().optional(),
  }),
  askResponse: z.object({
    success: z.boolean(),
    response: z
      .object({
        type: z.string(),
        subtype: z.string(),
        is_error: z.boolean(),
        duration_ms: z.number(),
        duration_api_ms: z.number().optional(),
        num_turns: z.number(),
        result: z.string(),
        session_id: z.string(),
        total_cost_usd: z.number().optional(),
        usage: usageSchema.optional(),
      })
      .optional(),
    error: z.string().optional(),
  }),
  getMessageHistory: historySchema,
  deviceRegistered: z.object({ success: z.boolean(), message: z.string().optional(), deviceId: id }),
  presence: z.object({ state: z.enum(['foreground', 'background']) }),
  reauthenticated: z.object({ expiresAt: timestampSchema }),
  /** Requires only `reauthenticate`. */
  tokenExpiring: z.object({ expiresAt: timestampSchema }),
  pong: z.object({ serverTime: timestampSchema }),
  reset: z.object({
    sessionId: id,
    epoch: id,
    head: seqSchema,
    reason: resumeReasonSchema,
    snapshot: snapshotSchema,
  }),
  caughtUp: z.object({ sessionId: id, seq: seqSchema }),
  conversationResult: z.object({
    type: z.literal('result'),
    success: z.boolean(),
    result: z.string().optional(),
    sessionId: id.optional(),
    duration: z.number().optional(),
    cost: z.number().optional(),
    usage: usageSchema.optional(),
    timestamp: timestampSchema,
  }),
  error: z.object({ code: errorCodeSchema, message: z.string(), details: errorDetailsSchema.optional() }),
} as const;
export type AnswerType = keyof typeof ANSWERS;
export type AnswerData<T extends AnswerType> = z.infer<(typeof ANSWERS)[T]>;

/** Frames with a position in their message, never queued for absent devices. */
export const POSITIONED = {
  streamData: z.object({
    sessionId: id,
    streamType: z.enum(['assistant_message', 'thinking', 'tool_input']),
    content: z.object({ type: z.literal('text'), text: z.string() }),
    messageId: id,
    blockIndex: z.int().nonnegative(),
    offset: z.int().nonnegative(),
    isComplete: z.boolean(),
    parentToolUseId: z.string().optional(),
    aborted: z.boolean().optional(),
  }),
  streamToolUse: z.object({
    sessionId: id,
    toolName: z.string(),
    toolInput: z.unknown(),
    status: z.enum(['started', 'running', 'done']),
  }),
  progress: z.object({
    sessionId: id,
    stage: z.string(),
    progress: z.number().optional(),
    message: z.string(),
    timestamp: timestampSchema,
  }),
} as const;
export type PositionedType = keyof typeof POSITIONED;
export type PositionedData<T extends PositionedType> = z.infer<(typeof POSITIONED)[T]>;
export type PositionedFrame = { [T in PositionedType]: { type: T; data: PositionedData<T> } }[PositionedType];

/** The envelope of every server frame. Events also carry `sessionId`, `seq` and `epoch`. */
export const serverEnvelopeSchema = z.object({
  type: z.string(),
  requestId: z.string().nullable(),
  timestamp: timestampSchema,
  data: z.record(z.string(), z.unknown()),
  sessionId: id.optional(),
  seq: seqSchema.optional(),
  epoch: id.optional(),
  _queued: z.boolean().optional(),
  _queuedAt: timestampSchema.optional(),
  _originalTimestamp: timestampSchema.optional(),
});
export type ServerEnvelope = z.infer<typeof serverEnvelopeSchema>;
