/** The client frames of the WebSocket: one schema for the `data` of each frame type. */
import * as z from 'zod';
import { MAX_FIELD_BYTES, MAX_LIST } from './limits.js';
import { registrationSchema } from './push-registration.js';
import {
  answersSchema,
  attachmentsSchema,
  claudeSessionIdSchema,
  fieldSchema,
  jsonObjectSchema,
  modelSchema,
  permissionIdSchema,
  permissionModeSchema,
  promptIdSchema,
  promptTextSchema,
  requiredFieldSchema,
  seqSchema,
  sessionIdSchema,
  toolRulesSchema,
  withinBytes,
} from './scalars.js';

const sessionIds = z.array(sessionIdSchema).max(MAX_LIST);

export const cursorSchema = z.object({
  epoch: requiredFieldSchema,
  seq: seqSchema.describe('The last event that the device has; `0`: none.'),
});
export type Cursor = z.infer<typeof cursorSchema>;

const blockPositionSchema = z.object({
  messageId: requiredFieldSchema,
  blockIndex: seqSchema,
  offset: seqSchema.describe('The length of its text, in UTF-16 units.'),
});
export type BlockPosition = z.infer<typeof blockPositionSchema>;

const traceparentSchema = fieldSchema.describe(
  "A W3C `traceparent`: the prompt is traced as a part of it, where the daemon traces. A text that is not valid is ignored. Default: the header of the connection's upgrade.",
);

const MAX_ALSO_OPEN = 64;

/** Where a stream begins: after an event, and in the middle of unfinished blocks. */
const streamPlaceSchema = cursorSchema.extend({
  open: blockPositionSchema.optional().describe('The text that the device has of a block that is being written.'),
  alsoOpen: z
    .array(blockPositionSchema)
    .max(MAX_ALSO_OPEN)
    .optional()
    .describe('The same of blocks that subagents write at the same time.'),
});
export type StreamPlace = z.infer<typeof streamPlaceSchema>;

export const streamOptionsSchema = z.object({
  sessionName: fieldSchema.optional(),
  preserveContext: z.boolean().optional().describe('`false`: a new conversation begins. Default `true`.'),
  model: modelSchema.optional().describe('As the CLI takes it: 1 to 128 of `A-Z a-z 0-9 . _ : @ / [ ] -`.'),
  permissionMode: permissionModeSchema.optional(),
  allowedTools: toolRulesSchema.optional().describe('Rules such as `Bash(git *)`, for the next child.'),
  resume: claudeSessionIdSchema.optional().describe('A conversation of this directory.'),
  fork: z.boolean().optional().describe('Branches off the conversation.'),
  keepRemembered: z
    .boolean()
    .optional()
    .describe('With `preserveContext: false`: grants remembered by `always` stay in effect.'),
});
export type StreamOptions = z.infer<typeof streamOptionsSchema>;

const nonEmptyPrompt = promptTextSchema.refine((text) => text.trim().length > 0, { error: 'must not be empty' });

/** A command with an image needs no text. */
export const promptOrAttachment = <T extends { prompt: string; attachments?: unknown[] | undefined }>(data: T) =>
  data.prompt.trim().length > 0 || (data.attachments?.length ?? 0) > 0;

/** The fields that answer a permission request of any kind. */
export const permissionAnswerFields = {
  response: requiredFieldSchema.describe(
    '`y`, `yes`, `allow`; `n`, `no`, `deny`; `a`, `always`; or an option of the request.',
  ),
  remember: z.boolean().describe('`true` with an answer that allows equals `always`.'),
  updatedInput: jsonObjectSchema.optional().describe('Replaces the input of the tool.'),
  answers: answersSchema
    .optional()
    .describe(
      'Answers by the text of their question, as text or a list of texts where it takes several; of an elicitation the values of its form by property.',
    ),
  message: fieldSchema.optional().describe('With a denial: what Claude is told.'),
};

const MAX_THINKING_TOKENS = 1_000_000;
/** In characters: longer than any path. */
const MAX_FILE_QUERY = 4096;

const MAX_DELTA_INTERVAL_MS = 5000;
const ASK_TIMEOUT_MAX_MS = 3_600_000;

export const CLIENT_FRAMES = {
  subscribe: z.object({
    events: withinBytes(z.array(requiredFieldSchema).max(MAX_LIST), 2 * MAX_FIELD_BYTES).describe(
      'Types by name, or `*` for all.',
    ),
    sessionIds: sessionIds.optional().describe('Absent: every session of the person, also those opened later.'),
    cursors: z
      .record(requiredFieldSchema, streamPlaceSchema)
      .refine((cursors) => Object.keys(cursors).length <= MAX_LIST, { error: `must name at most ${MAX_LIST} sessions` })
      .optional()
      .describe('By session id: where this connection begins.'),
    deltaIntervalMs: z
      .int()
      .min(0)
      .max(MAX_DELTA_INTERVAL_MS)
      .optional()
      .describe('Minimum time between two text frames of a session: the first comes at once, later text is joined.'),
  }),
  unsubscribe: z.object({ sessionIds }),
  ack: z.object({ sessionId: sessionIdSchema, seq: seqSchema.describe('Every event up to here is stored.') }),
  streamStart: z.object({
    prompt: promptTextSchema.describe('Blank and without attachments: it only opens the session.'),
    workingDirectory: requiredFieldSchema.optional().describe('Default: `.`.'),
    options: streamOptionsSchema.optional(),
    attachments: attachmentsSchema.optional(),
    traceparent: traceparentSchema.optional(),
  }),
  streamSend: z
    .object({
      sessionId: sessionIdSchema,
      prompt: promptTextSchema,
      attachments: attachmentsSchema.optional(),
      mode: z.enum(['queue', 'steer']).optional().describe('Default: `queue`.'),
      traceparent: traceparentSchema.optional(),
    })
    .refine(promptOrAttachment, { path: ['prompt'], error: 'must not be empty without attachments' }),
  cancelPrompt: z.object({ promptId: promptIdSchema }),
  editPrompt: z.object({
    promptId: promptIdSchema.describe('A prompt that waits.'),
    prompt: nonEmptyPrompt.describe('Replaces its text; its attachments stay.'),
  }),
  movePrompt: z.object({
    promptId: promptIdSchema.describe('A prompt that waits.'),
    before: promptIdSchema.optional().describe('The waiting prompt that it goes before. Absent: it goes last.'),
  }),
  clearQueue: z.object({ sessionId: sessionIdSchema }),
  continueQueue: z.object({ sessionId: sessionIdSchema }),
  interrupt: z.object({
    sessionId: sessionIdSchema,
    clearQueue: z.boolean().optional().describe('Drops the waiting prompts as well.'),
    holdQueue: z
      .boolean()
      .optional()
      .describe(
        '`false`: the waiting prompts go on. Otherwise they are kept, and none of them starts until a person asks for it.',
      ),
  }),
  rewind: z.object({
    sessionId: sessionIdSchema,
    promptId: promptIdSchema.describe('A prompt of the session that has begun.'),
    what: z.enum(['files', 'conversation', 'both']),
    dryRun: z.boolean().optional().describe('Only says what would change.'),
  }),
  streamClose: z.object({
    sessionId: sessionIdSchema,
    reason: fieldSchema.describe('Can be empty; `sessionStatus` repeats it.'),
  }),
  permission: z.object({
    sessionId: sessionIdSchema,
    permissionId: permissionIdSchema.optional().describe('Absent: the oldest open one.'),
    ...permissionAnswerFields,
  }),
  setModel: z.object({ sessionId: sessionIdSchema, model: modelSchema }),
  setPermissionMode: z.object({ sessionId: sessionIdSchema, mode: permissionModeSchema }),
  setEffort: z.object({
    sessionId: sessionIdSchema,
    effort: z
      .string()
      .regex(/^[a-z]{1,32}$/, { error: 'must be an effort level, such as high' })
      .describe("A level of the model, such as `low` or `max`; `default`: the model's own."),
  }),
  setThinking: z.object({
    sessionId: sessionIdSchema,
    maxTokens: z.int().min(0).max(MAX_THINKING_TOKENS).optional().describe("Absent: the CLI's default. `0`: none."),
  }),
  addDirectory: z.object({
    sessionId: sessionIdSchema,
    directory: requiredFieldSchema.describe('Absolute, or relative to the directory of the session.'),
  }),
  getTaskOutput: z.object({ sessionId: sessionIdSchema, taskId: requiredFieldSchema }),
  stopTask: z.object({ sessionId: sessionIdSchema, taskId: requiredFieldSchema }),
  backgroundTask: z.object({
    sessionId: sessionIdSchema,
    toolId: requiredFieldSchema.optional().describe('Of a `toolUse` without a result. Absent: every tool that runs.'),
  }),
  setWorkingDirectory: z.object({ workingDirectory: requiredFieldSchema }),
  claudeCommand: z.object({
    command: nonEmptyPrompt,
    projectPath: requiredFieldSchema.describe('The directory; ignored with `sessionId`.'),
    sessionId: sessionIdSchema.optional(),
  }),
  ask: z.object({
    prompt: nonEmptyPrompt,
    workingDirectory: requiredFieldSchema.optional(),
    options: z
      .object({
        format: z.enum(['text', 'json']).describe('Has no effect: the answer is the same document.'),
        timeout: z.int().min(1).max(ASK_TIMEOUT_MAX_MS).describe('Milliseconds. Default: 300,000.'),
      })
      .optional(),
  }),
  getMessageHistory: z.object({
    sessionId: sessionIdSchema,
    limit: z.int().min(1).max(MAX_LIST).optional().describe('Default: 50.'),
    offset: seqSchema.optional().describe('Counts forward from the beginning or from `after`; back from `before`.'),
    before: seqSchema.optional().describe('A seq.'),
    after: seqSchema.optional().describe('A seq.'),
  }),
  sessionCapabilities: z.object({ sessionId: sessionIdSchema }),
  suggestFiles: z.object({
    sessionId: sessionIdSchema,
    query: z.string().max(MAX_FILE_QUERY).describe('A part of a path. Empty, or a folder: what is in it.'),
  }),
  contextUsage: z.object({ sessionId: sessionIdSchema }),
  sideQuestion: z.object({ sessionId: sessionIdSchema, question: nonEmptyPrompt }),
  registerDevice: registrationSchema({}),
  clientBackgrounding: z.object({}),
  clientForegrounding: z.object({}),
  reauthenticate: z.object({ token: requiredFieldSchema }),
  ping: z.object({}),
} as const;

export type ClientFrameType = keyof typeof CLIENT_FRAMES;

/** The validated `data` of a client frame. */
export type ClientData<T extends ClientFrameType> = z.infer<(typeof CLIENT_FRAMES)[T]>;

/** The `data` of a client frame as a client writes it. */
export type ClientInput<T extends ClientFrameType> = z.input<(typeof CLIENT_FRAMES)[T]>;

/** A validated client frame; switch on `type` to narrow its `data`. */
export type ClientFrame = {
  [T in ClientFrameType]: { type: T; requestId: string | null; data: ClientData<T> };
}[ClientFrameType];
