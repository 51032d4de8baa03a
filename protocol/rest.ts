/** Bodies and queries of the REST interface. */
import * as z from 'zod';
import { CLIENT_FRAMES, streamOptionsSchema } from './client-frames.js';
import { errorCodeSchema, errorDetailsSchema } from './error-codes.js';
import { EVENTS, rememberedSchema } from './events.js';
import { sessionPushPreferencesSchema } from './push-preferences.js';
import {
  fieldSchema,
  jsonObjectSchema,
  requiredFieldSchema,
  sessionStatusSchema,
  tagSchema,
  timestampSchema,
} from './scalars.js';
import { resumeReasonSchema } from './server-frames.js';
import { lastPromptSchema } from './waiting.js';

const contextSchema = fieldSchema.optional().describe("Appended to Claude's system prompt, from the next child on.");

const placeFields = {
  workingDirectory: requiredFieldSchema.optional(),
  projectPath: requiredFieldSchema.optional(),
  folderName: requiredFieldSchema.optional().describe('A folder of the first of `PROJECT_ROOTS`.'),
};

type Place = { [Field in keyof typeof placeFields]?: string | undefined };

const namesOnePlace = ({ workingDirectory, projectPath, folderName }: Place): boolean =>
  [workingDirectory, projectPath, folderName].filter(Boolean).length === 1;

const ONE_PLACE = {
  path: ['workingDirectory'],
  error: 'exactly one of workingDirectory, projectPath and folderName must be given',
};

const newSessionSchema = streamOptionsSchema.extend({
  ...placeFields,
  context: contextSchema,
  system_prompt: fieldSchema.optional().describe('The same as `context`, where that is not given.'),
  metadata: jsonObjectSchema.optional().describe('Stored and returned; not used otherwise.'),
});

/** `POST /api/sessions`: exactly one of the three fields names the directory. */
export const createSessionSchema = newSessionSchema.refine(namesOnePlace, ONE_PLACE);

/** `POST /api/sessions/continue`: the conversation is the newest of the directory. */
export const continueSessionSchema = newSessionSchema
  .omit({ resume: true, fork: true, preserveContext: true, keepRemembered: true })
  .refine(namesOnePlace, ONE_PLACE);
export type CreateSession = z.infer<typeof createSessionSchema>;

const MAX_TAGS = 20;
const tagsSchema = z
  .array(tagSchema.refine((tag) => tag.trim() !== '', { error: 'must not be empty' }))
  .max(MAX_TAGS)
  .refine((tags) => new Set(tags).size === tags.length, { error: 'must not repeat a tag' });

export const patchSessionSchema = z
  .object({
    sessionName: fieldSchema.optional(),
    tag: tagSchema.optional().describe('A label for a kind of sessions; empty: none.'),
    tags: tagsSchema
      .optional()
      .describe('Labels of the person, which replace those before. The conversation does not have them.'),
    pinned: z.boolean().optional().describe('The session comes first in lists.'),
    archived: z.boolean().optional().describe('Puts the session away until the next prompt. Ends nothing.'),
    model: streamOptionsSchema.shape.model,
    permissionMode: streamOptionsSchema.shape.permissionMode,
    context: contextSchema,
    system_prompt: fieldSchema.optional().describe('The same as `context`, where that is not given.'),
    metadata: jsonObjectSchema.optional(),
    push: sessionPushPreferencesSchema.optional(),
    autoContinue: z
      .boolean()
      .optional()
      .describe(
        'The daemon sends one prompt of its own when a usage limit resets that has ended a turn of the session.',
      ),
  })
  .refine((body) => Object.values(body).some((value) => value !== undefined), {
    error:
      'at least one of sessionName, tag, tags, pinned, archived, model, permissionMode, context, system_prompt, metadata, push and autoContinue must be given',
  });
export type PatchSession = z.infer<typeof patchSessionSchema>;

export const listSessionsSchema = z.object({
  status: z
    .enum(['active', 'inactive', 'archived', ...sessionStatusSchema.options])
    .optional()
    .describe(
      'A status, or `active` (starting, idle, working, waiting), `inactive` (hibernated, error), `archived` (closed).',
    ),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  offset: z.coerce.number().int().min(0).default(0),
  projectPath: requiredFieldSchema.optional().describe('The canonical path.'),
  tag: tagSchema.optional().describe('With this tag, or one of `tags`; empty: without one.'),
  archived: z.enum(['true', 'false']).optional().describe('Whether a person has put the session away.'),
  pinned: z.enum(['true', 'false']).optional(),
  isWorking: z.enum(['true', 'false']).optional(),
  q: fieldSchema
    .optional()
    .describe('In its name, path, tags or context, or in the prompt that runs; upper and lower case are the same.'),
});
export type ListSessions = z.infer<typeof listSessionsSchema>;

export const deleteSessionSchema = z.object({ purge: z.enum(['true', 'false']).default('false') });

// The bodies of the twins of frames: their data without what the path names.

export const editPromptSchema = CLIENT_FRAMES.editPrompt.omit({ promptId: true });
export const movePromptSchema = CLIENT_FRAMES.movePrompt.omit({ promptId: true });
export const interruptSchema = CLIENT_FRAMES.interrupt.omit({ sessionId: true });
export const rewindSchema = CLIENT_FRAMES.rewind.omit({ sessionId: true });
export const backgroundTaskSchema = CLIENT_FRAMES.backgroundTask.omit({ sessionId: true });

/** `GET /api/sessions/:id/queue`. */
export const queueSchema = z.object({
  sessionId: z.string(),
  queue: EVENTS.sessionStatus.shape.queue.unwrap(),
  queueDepth: z.int().describe('All that wait.'),
  held: z.boolean().describe('Nothing of it starts until a person asks for it.'),
});
export type Queue = z.infer<typeof queueSchema>;

/** `GET /api/sessions/:id/remembered`: the remembered grants, oldest first, and the mode in effect. */
export const rememberedListSchema = z.object({
  remembered: z.array(rememberedSchema),
  permissionMode: z.string().optional(),
});
export type RememberedList = z.infer<typeof rememberedListSchema>;
export type RememberedView = z.infer<typeof rememberedSchema>;

/** The permissions in effect in a session, as reported by the CLI. */
const permissionsSchema = z.object({
  mode: z.string().optional(),
  rules: z
    .array(z.object({ rule: z.string(), behavior: z.string(), source: z.string() }))
    .optional()
    .describe(
      "In the CLI's notation. `source`: their origin, such as `projectSettings`. Absent without the capability `permissionRules`, or where the CLI does not tell within 1 s.",
    ),
  directories: z
    .array(z.string())
    .optional()
    .describe('Paths of additional directories in which Claude works as in its own.'),
  truncated: z.boolean().optional().describe('Only the first 500 of a list are here.'),
});

export type PermissionsView = z.infer<typeof permissionsSchema>;

const currentPromptSchema = z.object({
  promptId: z.string(),
  prompt: z.string().describe('Its first 200 characters.'),
  createdAt: timestampSchema,
});

export const sessionViewSchema = z.object({
  id: z.string(),
  sessionId: z.string().describe('The same as `id`.'),
  workingDirectory: z.string(),
  projectPath: z.string().describe('The same as `workingDirectory`.'),
  projectName: z.string(),
  sessionName: z.string().optional(),
  tag: z.string().optional(),
  tags: z.array(z.string()).optional(),
  pinned: z.boolean().optional(),
  archived: z.boolean().optional().describe('`true`: put away by a person, until the next prompt.'),
  status: sessionStatusSchema,
  statusSince: timestampSchema.optional().describe('When the status last changed.'),
  isWorking: z.boolean(),
  claudeSessionId: z.string().optional(),
  model: z.string().optional(),
  permissionMode: z.string().optional(),
  remembered: z.int().optional(),
  permissions: permissionsSchema
    .optional()
    .describe('What the child says is in effect: only for a single session whose child is running.'),
  pid: z.int().optional().describe('Of the child: the CLI without what its tools started.'),
  memoryBytes: z.int().optional().describe('Of the child.'),
  uptimeSeconds: z.int().min(0).optional().describe('Of the child.'),
  currentPrompt: currentPromptSchema.optional().describe('The one that runs.'),
  lastPrompt: lastPromptSchema.optional().describe('The last one that began and has ended.'),
  queueDepth: z.int(),
  openPermissions: z.int(),
  messageCount: z.int(),
  totalCost: z.number(),
  createdAt: timestampSchema,
  updatedAt: timestampSchema,
  lastActivity: timestampSchema,
  context: z.string().optional(),
  metadata: z.record(z.string(), z.unknown()).optional(),
  autoContinue: z.boolean().optional(),
  continuesAt: timestampSchema.optional().describe('When the daemon continues by itself: the reset of the limit.'),
  push: sessionPushPreferencesSchema.optional().describe("Its person's push preferences for it."),
  reused: z.boolean().optional(),
});
export type SessionView = z.infer<typeof sessionViewSchema>;

/** `GET /api/sessions/status`. */
export const sessionStatusesSchema = z.object({
  sessions: z.array(
    sessionViewSchema.pick({
      id: true,
      sessionId: true,
      status: true,
      statusSince: true,
      isWorking: true,
      queueDepth: true,
      openPermissions: true,
      currentPrompt: true,
      lastPrompt: true,
      lastActivity: true,
    }),
  ),
  total: z.int(),
  counts: z.partialRecord(sessionStatusSchema, z.int()).describe('By status.'),
});
export type SessionStatuses = z.infer<typeof sessionStatusesSchema>;

const MAX_BULK = 200;

/** `POST /api/sessions/bulk`. */
export const bulkSchema = z.object({
  ids: z
    .array(requiredFieldSchema.brand<'SessionId'>())
    .min(1)
    .max(MAX_BULK)
    .refine((ids) => new Set(ids).size === ids.length, { error: 'must not repeat an id' }),
  action: z
    .enum(['archive', 'unarchive', 'pin', 'unpin', 'interrupt', 'close', 'purge'])
    .describe('What the request for a single session does.'),
});
export type Bulk = z.infer<typeof bulkSchema>;

export const bulkResultSchema = z.object({
  results: z.array(
    z.object({
      id: z.string(),
      success: z.boolean(),
      error: z.object({ code: errorCodeSchema, message: z.string() }).optional(),
    }),
  ),
  succeeded: z.int(),
  failed: z.int(),
});
export type BulkResult = z.infer<typeof bulkResultSchema>;

/** One session of `GET /api/devices/:id/queue`: the events that the device has not acknowledged. */
const queuedSessionSchema = z.object({
  sessionId: z.string(),
  depth: z.int().describe('Events that the device has not acknowledged, and will be sent.'),
  oldest: timestampSchema
    .nullable()
    .describe('When the first and the last of them were written; null when there are none.'),
  newest: timestampSchema.nullable(),
  resume: z.enum(['replay', 'reset']).describe('The mode of resumption on connecting: as in `welcome.resumed`.'),
  reason: resumeReasonSchema.optional(),
  from: z.int(),
  head: z.int(),
});
export type QueuedSession = z.infer<typeof queuedSessionSchema>;

export const deviceQueueSchema = z.object({ sessions: z.array(queuedSessionSchema) });
export type DeviceQueue = z.infer<typeof deviceQueueSchema>;

const checkSchema = z.string();
export const healthSchema = z.object({
  status: z.enum(['healthy', 'degraded', 'unhealthy']),
  ok: z.boolean(),
  version: z.string(),
  timestamp: timestampSchema,
  uptime_seconds: z.number(),
  claudeCodeAvailable: z.boolean(),
  active_sessions: z.int().describe('Sessions with a child.'),
  checks: z.object({
    database: checkSchema,
    claude: checkSchema,
    memory: checkSchema,
    disk: checkSchema,
    push: checkSchema,
    tls: checkSchema.optional().describe('Only when the daemon serves TLS itself.'),
    roots: checkSchema.optional().describe('The folders of `PROJECT_ROOTS`.'),
  }),
  remedies: z.record(z.string(), z.string()).optional().describe('The remedy for each failed check, by name.'),
});
export type Health = z.infer<typeof healthSchema>;

export const errorBodySchema = z.object({
  error: z.object({
    code: errorCodeSchema,
    message: z.string(),
    status: z.int(),
    requestId: z.string(),
    details: errorDetailsSchema.optional(),
    type: z.string().optional().describe("Only below `/v1`, for clients of OpenAI's API, as `param`."),
    param: z.string().nullable().optional().describe('The same as `details.field`.'),
  }),
});
export type ErrorBody = z.infer<typeof errorBodySchema>;
