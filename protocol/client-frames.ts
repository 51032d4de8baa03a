/** The client frames of the WebSocket: one schema for the `data` of each frame type. */
import * as z from 'zod';
import { MAX_FIELD_BYTES } from './limits.js';
import { registrationSchema } from './push-registration.js';
import {
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
  textRecordSchema,
  toolRulesSchema,
  withinBytes,
} from './scalars.js';

const MAX_LIST = 1000;
const sessionIds = z.array(sessionIdSchema).max(MAX_LIST);

export const cursorSchema = z.object({ epoch: requiredFieldSchema, seq: seqSchema });
export type Cursor = z.infer<typeof cursorSchema>;

/** How much of a block's text a client has, in UTF-16 units. */
const blockPositionSchema = z.object({ messageId: requiredFieldSchema, blockIndex: seqSchema, offset: seqSchema });
export type BlockPosition = z.infer<typeof blockPositionSchema>;

const MAX_ALSO_OPEN = 64;

/** Where a stream begins: after an event, and in the middle of unfinished blocks. */
const streamPlaceSchema = cursorSchema.extend({
  open: blockPositionSchema.optional(),
  alsoOpen: z.array(blockPositionSchema).max(MAX_ALSO_OPEN).optional(),
});
export type StreamPlace = z.infer<typeof streamPlaceSchema>;

export const streamOptionsSchema = z.object({
  sessionName: fieldSchema.optional(),
  preserveContext: z.boolean().optional(),
  model: modelSchema.optional(),
  permissionMode: permissionModeSchema.optional(),
  allowedTools: toolRulesSchema.optional(),
  resume: claudeSessionIdSchema.optional(),
  fork: z.boolean().optional(),
  /** With `preserveContext: false`: grants remembered by `always` stay in effect. */
  keepRemembered: z.boolean().optional(),
});
export type StreamOptions = z.infer<typeof streamOptionsSchema>;

const nonEmptyPrompt = promptTextSchema.refine((text) => text.trim().length > 0, { error: 'must not be empty' });

/** A command with an image needs no text. */
const promptOrAttachment = <T extends { prompt: string; attachments?: unknown[] | undefined }>(data: T) =>
  data.prompt.trim().length > 0 || (data.attachments?.length ?? 0) > 0;

/** The fields that answer a permission request, a question or a plan. */
export const permissionAnswerFields = {
  response: requiredFieldSchema,
  remember: z.boolean(),
  updatedInput: jsonObjectSchema.optional(),
  answers: textRecordSchema.optional(),
  message: fieldSchema.optional(),
};

const MAX_DELTA_INTERVAL_MS = 5000;
const ASK_TIMEOUT_MAX_MS = 3_600_000;

export const CLIENT_FRAMES = {
  subscribe: z.object({
    events: withinBytes(z.array(requiredFieldSchema).max(MAX_LIST), 2 * MAX_FIELD_BYTES),
    sessionIds: sessionIds.optional(),
    cursors: z
      .record(requiredFieldSchema, streamPlaceSchema)
      .refine((cursors) => Object.keys(cursors).length <= MAX_LIST, { error: `must name at most ${MAX_LIST} sessions` })
      .optional(),
    /** Minimum time between two text frames of a session: the first comes at once, later text is joined. */
    deltaIntervalMs: z.int().min(0).max(MAX_DELTA_INTERVAL_MS).optional(),
  }),
  unsubscribe: z.object({ sessionIds }),
  ack: z.object({ sessionId: sessionIdSchema, seq: seqSchema }),
  streamStart: z.object({
    prompt: promptTextSchema,
    workingDirectory: requiredFieldSchema.optional(),
    options: streamOptionsSchema.optional(),
    attachments: attachmentsSchema.optional(),
  }),
  streamSend: z
    .object({
      sessionId: sessionIdSchema,
      prompt: promptTextSchema,
      attachments: attachmentsSchema.optional(),
      mode: z.enum(['queue', 'steer']).optional(),
    })
    .refine(promptOrAttachment, { path: ['prompt'], error: 'must not be empty without attachments' }),
  cancelPrompt: z.object({ promptId: promptIdSchema }),
  interrupt: z.object({ sessionId: sessionIdSchema, clearQueue: z.boolean().optional() }),
  streamClose: z.object({ sessionId: sessionIdSchema, reason: fieldSchema }),
  permission: z.object({
    sessionId: sessionIdSchema,
    permissionId: permissionIdSchema.optional(),
    ...permissionAnswerFields,
  }),
  setModel: z.object({ sessionId: sessionIdSchema, model: modelSchema }),
  setPermissionMode: z.object({ sessionId: sessionIdSchema, mode: permissionModeSchema }),
  setWorkingDirectory: z.object({ workingDirectory: requiredFieldSchema }),
  claudeCommand: z.object({
    command: nonEmptyPrompt,
    projectPath: requiredFieldSchema,
    sessionId: sessionIdSchema.optional(),
  }),
  ask: z.object({
    prompt: nonEmptyPrompt,
    workingDirectory: requiredFieldSchema.optional(),
    options: z.object({ format: z.enum(['text', 'json']), timeout: z.int().min(1).max(ASK_TIMEOUT_MAX_MS) }).optional(),
  }),
  getMessageHistory: z.object({
    sessionId: sessionIdSchema,
    limit: z.int().min(1).max(MAX_LIST).optional(),
    offset: seqSchema.optional(),
    before: seqSchema.optional(),
    after: seqSchema.optional(),
  }),
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
