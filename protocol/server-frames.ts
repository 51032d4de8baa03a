/** Answers and positioned frames: everything a server sends except durable events. */
import * as z from 'zod';
import type { ClientFrameType } from './client-frames.js';
import { contentBlockSchema, usageSchema } from './content.js';
import { errorCodeSchema, errorDetailsSchema } from './error-codes.js';
import { EVENTS } from './events.js';
import { seqSchema, sessionStatusSchema, timestampSchema } from './scalars.js';
import { tasksSchema } from './tasks.js';

const id = z.string().min(1);

export const resumeReasonSchema = z.enum(['retention', 'epoch', 'ahead']);
export type ResumeReason = z.infer<typeof resumeReasonSchema>;

export const resumedSessionSchema = z.object({
  sessionId: id,
  resume: z.enum(['replay', 'reset', 'live']),
  reason: resumeReasonSchema.optional().describe('With `reset`.'),
  from: seqSchema.describe('The stream begins after this event.'),
  head: seqSchema.describe('The last event at this moment.'),
});
export type ResumedSession = z.infer<typeof resumedSessionSchema>;

export const historyMessageSchema = z.object({
  id,
  type: z.enum(['user', 'assistant']),
  content: z.array(contentBlockSchema),
  timestamp: z.string().optional(),
  model: z.string().optional(),
  usage: usageSchema.optional(),
  promptId: id.optional().describe("Of a person's message."),
  seq: seqSchema.optional().describe('Of its first event.'),
  truncated: z.boolean().optional().describe('This message alone was larger than a page.'),
});
export type HistoryMessage = z.infer<typeof historyMessageSchema>;

export const snapshotSchema = z.object({
  status: EVENTS.sessionStatus,
  messages: z.array(historyMessageSchema).describe('The newest: up to 50, and 256 KiB.'),
  permissions: z.array(EVENTS.permissionRequest).describe('The open requests.'),
});
export type Snapshot = z.infer<typeof snapshotSchema>;

export const historySchema = z.object({
  success: z.boolean(),
  sessionId: id,
  messages: z.array(historyMessageSchema),
  totalCount: z.int().describe('All messages of the conversation.'),
  offset: z.int(),
  limit: z.int().optional(),
  hasMore: z.boolean(),
  sessionMetadata: z.object({
    workingDirectory: z.string(),
    conversationStarted: z.boolean().describe('Whether the session has a message.'),
    createdAt: z.number().describe('Epoch milliseconds.'),
    lastActivity: z.number().describe('Epoch milliseconds.'),
  }),
  timestamp: timestampSchema,
});
export type History = z.infer<typeof historySchema>;

export const ANSWERS = {
  welcome: z.object({
    clientId: id.describe('Names this connection.'),
    deviceId: id,
    serverVersion: z.string(),
    claudeCodeVersion: z
      .string()
      .optional()
      .describe('Absent without a CLI; `unknown` until it has reported its version.'),
    capabilities: z.array(z.string()).describe('What the daemon can do, by name.'),
    maxSessions: z.int().describe('`MAX_PROCESSES`: how many children run at a time; there may be more sessions.'),
    epoch: id,
    protocol: z.literal(1),
    heartbeatMs: z.int(),
    resumed: z.array(resumedSessionSchema).describe('The sessions whose streams follow.'),
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
    workingDirectory: z.string().describe('The canonical path.'),
    reused: z.boolean().describe('The directory had a session.'),
    promptId: id.optional(),
  }),
  promptAccepted: z.object({
    promptId: id,
    sessionId: id,
    position: z.int().nonnegative().describe('The prompts that this one waits for, including a running one.'),
    duplicate: z.boolean().describe('The device has used the `requestId` before; this is the first answer.'),
  }),
  promptCancelled: z.object({ promptId: id, was: z.string().describe('`queued`, `dispatching` or `processing`.') }),
  editPrompt: z.object({ promptId: id, sessionId: id }),
  movePrompt: z.object({
    promptId: id,
    sessionId: id,
    position: z.int().nonnegative().describe('The prompts that this one waits for, including a running one.'),
  }),
  clearQueue: z.object({ sessionId: id, cancelled: z.array(id).describe('The prompts that it dropped.') }),
  continueQueue: z.object({ sessionId: id, queueDepth: z.int().describe('Prompts that waited.') }),
  interrupted: z.object({ sessionId: id, was: sessionStatusSchema.describe('The status before.') }),
  rewound: EVENTS.rewound,
  permissionAccepted: z.object({ permissionId: id, decision: z.enum(['allow', 'deny']) }),
  setEffort: z.object({ sessionId: id, effort: z.string() }),
  setThinking: z.object({ sessionId: id, maxTokens: z.int().optional().describe("Absent: the CLI's default.") }),
  addDirectory: z.object({
    sessionId: id,
    directory: z.string().describe('The canonical path.'),
    directories: z.array(z.string()).describe('All that were added.'),
  }),
  getTaskOutput: z.object({
    sessionId: id,
    taskId: id,
    output: z.string().describe('Its end, up to 8 KiB, as the command wrote it: it can contain escape sequences.'),
    totalBytes: z.int().nonnegative().describe('Of the whole output.'),
    truncated: z.boolean().describe('The output is longer.'),
  }),
  stopTask: z.object({ sessionId: id, taskId: id }),
  backgroundTask: z.object({
    sessionId: id,
    taskIds: z
      .array(id)
      .describe('The tasks that are new in the list; none when nothing could be moved, and with 2.1.197.'),
  }),
  workingDirectorySet: z.object({ workingDirectory: z.string(), success: z.boolean() }),
  claudeResponse: z.object({
    content: z.string(),
    success: z.boolean(),
    sessionId: id.optional(),
    error: z.string().optional().describe("The `subtype` of the turn's end, or `cancelled`."),
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
    error: z.string().optional().describe('`cancelled`: the prompt was dropped before it began.'),
  }),
  getMessageHistory: historySchema,
  sessionCapabilities: z.object({
    sessionId: id,
    commands: z.array(
      z.object({
        name: z.string().describe('Without the slash.'),
        description: z.string(),
        argumentHint: z.string().optional().describe('Such as `<file>`.'),
        aliases: z.array(z.string()).optional(),
        terminalOnly: z.boolean().optional().describe('It is made for the CLI in a terminal.'),
      }),
    ),
    agents: z.array(z.object({ name: z.string(), description: z.string() })),
    models: z.array(
      z.object({
        id: z.string().describe('For `setModel`.'),
        name: z.string(),
        description: z.string().optional(),
        resolvedId: z.string().optional().describe('The model behind an alias.'),
        effortLevels: z.array(z.string()).optional().describe('Absent: the model has none.'),
      }),
    ),
    outputStyles: z.array(z.string()),
    outputStyle: z.string().optional().describe('The one in use.'),
  }),
  suggestFiles: z.object({
    sessionId: id,
    files: z
      .array(z.object({ path: z.string().describe('In the directory of the session; a folder ends with `/`.') }))
      .describe('Best first.'),
  }),
  contextUsage: z.object({
    sessionId: id,
    totalTokens: z.int(),
    maxTokens: z.int(),
    model: z.string().optional(),
    categories: z.array(
      z.object({
        id: z.string().describe('Such as `messages` or `free_space`. From an older CLI, made of the name.'),
        name: z.string(),
        tokens: z.int(),
        kind: z.string().optional().describe('`used`, `free`, `buffer` or `deferred`: the last is outside the window.'),
      }),
    ),
  }),
  sideQuestion: z.object({ sessionId: id, answer: z.string() }),
  deviceRegistered: z.object({ success: z.boolean(), message: z.string().optional(), deviceId: id }),
  presence: z.object({ state: z.enum(['foreground', 'background']) }),
  reauthenticated: z.object({
    expiresAt: timestampSchema.describe('In the year 9999 for a credential that does not expire.'),
  }),
  tokenExpiring: z.object({ expiresAt: timestampSchema }).describe('Requires only `reauthenticate`.'),
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

/** The type of the frame that answers each frame of a client; an `ack` has no answer. */
export const FRAME_ANSWERS = {
  subscribe: 'subscribed',
  unsubscribe: 'unsubscribed',
  streamStart: 'streamStarted',
  streamSend: 'promptAccepted',
  cancelPrompt: 'promptCancelled',
  editPrompt: 'editPrompt',
  movePrompt: 'movePrompt',
  clearQueue: 'clearQueue',
  continueQueue: 'continueQueue',
  interrupt: 'interrupted',
  rewind: 'rewound',
  streamClose: 'sessionStatus',
  permission: 'permissionAccepted',
  setModel: 'sessionStatus',
  setPermissionMode: 'sessionStatus',
  setEffort: 'setEffort',
  setThinking: 'setThinking',
  addDirectory: 'addDirectory',
  getTaskOutput: 'getTaskOutput',
  stopTask: 'stopTask',
  backgroundTask: 'backgroundTask',
  setWorkingDirectory: 'workingDirectorySet',
  claudeCommand: 'claudeResponse',
  ask: 'askResponse',
  getMessageHistory: 'getMessageHistory',
  sessionCapabilities: 'sessionCapabilities',
  suggestFiles: 'suggestFiles',
  contextUsage: 'contextUsage',
  sideQuestion: 'sideQuestion',
  registerDevice: 'deviceRegistered',
  clientBackgrounding: 'presence',
  clientForegrounding: 'presence',
  reauthenticate: 'reauthenticated',
  ping: 'pong',
} as const satisfies Record<Exclude<ClientFrameType, 'ack'>, AnswerType | 'sessionStatus'>;

/** Frames without a seq, never queued for absent devices. Text has a position in its message. */
export const POSITIONED = {
  streamData: z.object({
    sessionId: id,
    streamType: z.enum(['assistant_message', 'thinking', 'tool_input']),
    content: z.object({ type: z.literal('text'), text: z.string() }),
    messageId: id,
    blockIndex: z.int().nonnegative(),
    offset: z.int().nonnegative().describe('Where in the block the text begins, in UTF-16 units.'),
    isComplete: z.boolean().describe('Nothing more follows of the block; the text may be empty.'),
    parentToolUseId: z.string().optional(),
    aborted: z.boolean().optional().describe('The block was cut short.'),
  }),
  streamToolUse: z.object({
    sessionId: id,
    toolName: z.string(),
    toolInput: z.unknown().describe('`{}` except with `running`.'),
    status: z.enum(['started', 'running', 'done']),
  }),
  promptSuggestion: z.object({ sessionId: id, text: z.string().describe('Can be sent as a prompt.') }),
  progress: z.object({
    sessionId: id,
    stage: z.string().describe('See below; others are possible.'),
    progress: z.number().optional(),
    message: z.string().describe('Can be shown as it is.'),
    parentToolUseId: z.string().optional().describe('With `subagent`: the tool use that began it.'),
    timestamp: timestampSchema,
  }),
  tasks: tasksSchema.describe('Everything that runs or is scheduled now: it replaces the list before.'),
} as const;
export type PositionedType = keyof typeof POSITIONED;
export type PositionedData<T extends PositionedType> = z.infer<(typeof POSITIONED)[T]>;
export type PositionedFrame = { [T in PositionedType]: { type: T; data: PositionedData<T> } }[PositionedType];

/** The envelope of every server frame. Events also carry `sessionId`, `seq` and `epoch`. */
export const serverEnvelopeSchema = z.object({
  type: z.string(),
  requestId: z.string().nullable().describe("The client's, on the answer to its request; otherwise null."),
  timestamp: timestampSchema.describe(
    'Of an event: when it happened, also when it is replayed; otherwise when the frame was made. Of `streamData` in steps of 50 ms.',
  ),
  data: z.record(z.string(), z.unknown()),
  sessionId: id.optional().describe('Only on events, as `seq` and `epoch`.'),
  seq: seqSchema.optional(),
  epoch: id.optional(),
  _queued: z.boolean().optional().describe('Only on events that the device missed, as the next two.'),
  _queuedAt: timestampSchema.optional().describe('When the event was written.'),
  _originalTimestamp: timestampSchema.optional(),
});
export type ServerEnvelope = z.infer<typeof serverEnvelopeSchema>;
