/** The events of an event stream (`text/event-stream`): the name of each, and the JSON of its `data`. */
import * as z from 'zod';
import { contentBlockSchema } from './content.js';
import { errorCodeSchema, errorDetailsSchema } from './error-codes.js';
import { EVENTS } from './events.js';
import { fieldSchema, seqSchema, sessionIdSchema, timestampSchema } from './scalars.js';
import { resumeReasonSchema, snapshotSchema } from './server-frames.js';
import { waitingSessionSchema } from './waiting.js';

const id = z.string().min(1);

/** The query of every event stream. */
export const eventStreamSchema = z.object({
  deltas: z.enum(['true', 'false']).default('false').describe('Text while it is written, as `delta`.'),
  after: fieldSchema
    .optional()
    .describe('The `id` of an event: the stream begins after it. `0`: with everything that is kept.'),
});

/** The query of the stream of all sessions. */
export const personStreamSchema = eventStreamSchema
  .extend({
    only: z
      .enum(['waiting'], { error: 'must be waiting' })
      .optional()
      .describe('Tells what waits, and each change of it, as `waiting`; it has no positions.'),
    sessionId: sessionIdSchema.optional().describe('With `only`: of this session alone.'),
  })
  .refine(({ only, sessionId }) => only !== undefined || sessionId === undefined, {
    path: ['sessionId'],
    error: 'must come with only=waiting',
  });

const errorSchema = z.object({ code: errorCodeSchema, message: z.string(), details: errorDetailsSchema.optional() });

/** Present in every event of a session; `seq` only where the event is durable. */
const placed = { sessionId: id, seq: seqSchema.optional(), timestamp: timestampSchema };

export const STREAM_EVENTS = {
  connected: z.object({
    type: z.literal('connected'),
    epoch: id,
    sessionId: id.optional(),
    promptId: id.optional(),
    from: seqSchema.optional().describe('The stream begins after this event.'),
    head: seqSchema.optional().describe('The last event at this moment.'),
    sessions: z
      .array(z.object({ sessionId: id, from: seqSchema, head: seqSchema }))
      .optional()
      .describe("Of the stream of all sessions, instead of the session's own fields."),
    timestamp: timestampSchema,
  }),
  message: z.object({
    type: z.literal('message'),
    ...placed,
    role: z.enum(['user', 'assistant']),
    content: z.string().describe('The text.'),
    thinking: z.literal(true).optional().describe('The text is a thought of Claude.'),
    messageId: id,
    blockIndex: z.int().optional().describe("Of Claude's messages: each finished block is an event."),
    promptId: id.optional().describe("Of a person's messages."),
    deviceId: z.string().optional().describe('The device that sent it.'),
    attachments: z.array(contentBlockSchema).optional().describe('What is not text.'),
    model: z.string().optional(),
    parentToolUseId: z.string().optional().describe('It belongs to a subagent, which this tool use began.'),
    partial: z.boolean().optional().describe('The block was ended early.'),
    truncated: z.boolean().optional(),
  }),
  delta: z.object({
    type: z.literal('delta'),
    sessionId: id,
    content: z.string(),
    messageId: id,
    blockIndex: z.int(),
    offset: z.int().describe('Where in the block the text begins, in UTF-16 units.'),
    streamType: z.string().describe('As in `streamData`.'),
    isComplete: z.boolean(),
    aborted: z.boolean().optional(),
    parentToolUseId: z.string().optional(),
    timestamp: timestampSchema,
  }),
  tool_use: z.object({
    type: z.literal('tool_use'),
    ...placed,
    tool: z.string(),
    params: z.unknown(),
    toolId: id,
    parentToolUseId: z.string().optional(),
    truncated: z.boolean().optional(),
  }),
  tool_result: z.object({
    type: z.literal('tool_result'),
    ...placed,
    tool: z.string(),
    toolId: id,
    result: z.string().describe('Of a failure its words.'),
    success: z.boolean(),
    change: EVENTS.toolResult.shape.change,
    parentToolUseId: z.string().optional(),
    truncated: z.boolean().optional(),
  }),
  permission_request: EVENTS.permissionRequest.extend({ type: z.literal('permission_request'), ...placed }),
  permission_resolved: EVENTS.permissionResolved.extend({ type: z.literal('permission_resolved'), ...placed }),
  status: EVENTS.sessionStatus.extend({ type: z.literal('status'), ...placed }),
  error: errorSchema.extend({
    type: z.literal('error'),
    sessionId: id.optional().describe('Absent when the stream itself ends.'),
    seq: seqSchema.optional(),
    givenUp: z.boolean().optional(),
    timestamp: timestampSchema,
  }),
  reset: z.object({
    type: z.literal('reset'),
    sessionId: id,
    epoch: id,
    head: seqSchema,
    reason: resumeReasonSchema,
    snapshot: snapshotSchema.optional().describe('Absent where the events that are kept follow.'),
    error: errorSchema.optional().describe('What is wrong with the position that the reader gave.'),
    timestamp: timestampSchema,
  }),
  complete: z.object({
    type: z.literal('complete'),
    ...placed,
    promptId: id.optional(),
    steered: z.array(id).optional(),
    result: z.string().describe('The end of the last text, up to 8 KiB.'),
    subtype: z.string().describe('As in `streamComplete`; `cancelled`: the prompt was dropped before it began.'),
    isError: z.boolean(),
    summary: z.object({
      duration: z.number().describe('Milliseconds.'),
      tokenCount: z.int().optional().describe('Everything read and written, cached or not.'),
      toolCallCount: z.int().optional().describe('Absent where the beginning of the turn is no longer kept.'),
    }),
    cost: z.number().optional(),
    usage: EVENTS.streamComplete.shape.usage,
    numTurns: z.number(),
    truncated: z.boolean().optional(),
  }),
  waiting: z.object({
    type: z.literal('waiting'),
    sessions: z
      .array(waitingSessionSchema)
      .describe('First those in which something waits, or the one that was asked for; then each that has changed.'),
    isFirst: z.literal(true).optional(),
    timestamp: timestampSchema,
  }),
} as const;

export type StreamEventName = keyof typeof STREAM_EVENTS;
export type StreamEvent<T extends StreamEventName> = z.infer<(typeof STREAM_EVENTS)[T]>;
