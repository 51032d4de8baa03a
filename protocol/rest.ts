/** Bodies and queries of the REST interface. */
import * as z from 'zod';
import { streamOptionsSchema } from './client-frames.js';
import { errorCodeSchema, errorDetailsSchema } from './error-codes.js';
import { rememberedSchema } from './events.js';
import { sessionPushPreferencesSchema } from './push-preferences.js';
import { fieldSchema, jsonObjectSchema, requiredFieldSchema, sessionStatusSchema, timestampSchema } from './scalars.js';
import { resumeReasonSchema } from './server-frames.js';

/** `POST /api/sessions`: exactly one of the three fields names the directory. */
export const createSessionSchema = streamOptionsSchema
  .extend({
    workingDirectory: requiredFieldSchema.optional(),
    projectPath: requiredFieldSchema.optional(),
    folderName: requiredFieldSchema.optional(),
    context: fieldSchema.optional(),
    metadata: jsonObjectSchema.optional(),
  })
  .refine((body) => [body.workingDirectory, body.projectPath, body.folderName].filter(Boolean).length === 1, {
    path: ['workingDirectory'],
    error: 'exactly one of workingDirectory, projectPath and folderName must be given',
  });
export type CreateSession = z.infer<typeof createSessionSchema>;

export const patchSessionSchema = z
  .object({
    sessionName: fieldSchema.optional(),
    model: streamOptionsSchema.shape.model,
    permissionMode: streamOptionsSchema.shape.permissionMode,
    context: fieldSchema.optional(),
    metadata: jsonObjectSchema.optional(),
    push: sessionPushPreferencesSchema.optional(),
  })
  .refine((body) => Object.values(body).some((value) => value !== undefined), {
    error: 'at least one of sessionName, model, permissionMode, context, metadata and push must be given',
  });
export type PatchSession = z.infer<typeof patchSessionSchema>;

export const listSessionsSchema = z.object({
  status: z.enum(['active', 'inactive', 'archived', ...sessionStatusSchema.options]).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  offset: z.coerce.number().int().min(0).default(0),
  projectPath: requiredFieldSchema.optional(),
});
export type ListSessions = z.infer<typeof listSessionsSchema>;

export const deleteSessionSchema = z.object({ purge: z.enum(['true', 'false']).default('false') });

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
  /** In the CLI's notation. `source`: their origin, such as `projectSettings`. Absent when not reported. */
  rules: z.array(z.object({ rule: z.string(), behavior: z.string(), source: z.string() })).optional(),
  /** Paths of additional directories in which Claude works as in its own. */
  directories: z.array(z.string()).optional(),
  /** The list is incomplete. */
  truncated: z.boolean().optional(),
});

export type PermissionsView = z.infer<typeof permissionsSchema>;

export const sessionViewSchema = z.object({
  id: z.string(),
  sessionId: z.string(),
  workingDirectory: z.string(),
  projectPath: z.string(),
  projectName: z.string(),
  sessionName: z.string().optional(),
  status: sessionStatusSchema,
  statusSince: timestampSchema.optional(),
  isWorking: z.boolean(),
  claudeSessionId: z.string().optional(),
  model: z.string().optional(),
  permissionMode: z.string().optional(),
  remembered: z.int().optional(),
  /** Only for a single session whose child is running. */
  permissions: permissionsSchema.optional(),
  pid: z.int().optional(),
  memoryBytes: z.int().optional(),
  uptimeSeconds: z.int().min(0).optional(),
  queueDepth: z.int(),
  openPermissions: z.int(),
  messageCount: z.int(),
  totalCost: z.number(),
  createdAt: timestampSchema,
  updatedAt: timestampSchema,
  lastActivity: timestampSchema,
  context: z.string().optional(),
  metadata: z.record(z.string(), z.unknown()).optional(),
  /** Its person's push preferences for it. */
  push: sessionPushPreferencesSchema.optional(),
  reused: z.boolean().optional(),
});
export type SessionView = z.infer<typeof sessionViewSchema>;

/** One session of `GET /api/devices/:id/queue`: the events that the device has not acknowledged. */
const queuedSessionSchema = z.object({
  sessionId: z.string(),
  depth: z.int(),
  /** When the first and the last of them were written; null when there are none. */
  oldest: timestampSchema.nullable(),
  newest: timestampSchema.nullable(),
  /** The mode of resumption on connecting: as in `welcome.resumed`. */
  resume: z.enum(['replay', 'reset']),
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
  active_sessions: z.int(),
  checks: z.object({
    database: checkSchema,
    claude: checkSchema,
    memory: checkSchema,
    disk: checkSchema,
    push: checkSchema,
    /** Only when the daemon serves TLS itself. */
    tls: checkSchema.optional(),
    /** The folders of `PROJECT_ROOTS`. */
    roots: checkSchema.optional(),
  }),
  /** The remedy for each failed check, by name. */
  remedies: z.record(z.string(), z.string()).optional(),
});
export type Health = z.infer<typeof healthSchema>;

export const errorBodySchema = z.object({
  error: z.object({
    code: errorCodeSchema,
    message: z.string(),
    status: z.int(),
    requestId: z.string(),
    details: errorDetailsSchema.optional(),
  }),
});
export type ErrorBody = z.infer<typeof errorBodySchema>;
