/** What `/v1` answers besides chats. Times are ISO 8601, tokens whole numbers, costs US dollars. */
import * as z from 'zod';
import { NOT_BOTH, notBoth, pageFields, pageShape } from './pages.js';
import {
  jsonObjectSchema,
  modelSchema,
  nameSchema,
  requiredFieldSchema,
  sessionStatusSchema,
  timestampSchema,
} from './scalars.js';

export const modelObjectSchema = z.object({
  id: z.string().describe('As the CLI takes it: an alias, or a full name.'),
  object: z.literal('model'),
  created: z.int().describe('Always 0: the CLI does not say.'),
  owned_by: z.literal('anthropic'),
  name: z.string(),
  description: z.string().optional(),
  resolved_id: z.string().optional().describe('The model that an alias stands for.'),
});
export type ModelObject = z.infer<typeof modelObjectSchema>;
export const modelsSchema = z.object({ object: z.literal('list'), data: z.array(modelObjectSchema) });

export const modelCapabilitiesSchema = z.object({
  models: z.array(
    modelObjectSchema.omit({ object: true, created: true, owned_by: true }).extend({
      effort_levels: z.array(z.string()).describe('Empty where the model has none.'),
      supports_streaming: z.literal(true),
      supports_tools: z.literal(true).describe('Those of the CLI.'),
      supports_vision: z.literal(true),
    }),
  ),
  total: z.int(),
  provider: z.literal('anthropic'),
});
export type ModelCapabilities = z.infer<typeof modelCapabilitiesSchema>;

export const projectSchema = z.object({
  id: z.string(),
  object: z.literal('project'),
  name: z.string(),
  path: z.string(),
  session_id: z.string().optional().describe('The session of the directory.'),
  is_active: z.boolean().describe('Its session works.'),
  last_activity: timestampSchema.optional(),
});
export type Project = z.infer<typeof projectSchema>;
export const projectsSchema = z.object({ projects: z.array(projectSchema), ...pageShape });

export const folderNameSchema = nameSchema.refine((name) => name !== '' && !/^\.{1,2}$|[/\0]/.test(name), {
  error: 'must be the name of a folder',
});
export const createProjectSchema = z
  .object({
    name: folderNameSchema.optional().describe('A folder below the first of PROJECT_ROOTS.'),
    path: requiredFieldSchema.optional().describe('Of a folder elsewhere in PROJECT_ROOTS, in place of `name`.'),
  })
  .refine(({ name, path }) => name !== undefined || path !== undefined, {
    path: ['name'],
    error: 'must be there, or path',
  });

export const forgetProjectSchema = z.object({
  confirm: requiredFieldSchema.describe('The name of the project.'),
});

export const openSessionSchema = z.object({
  project_id: requiredFieldSchema,
  model: modelSchema.optional(),
  title: nameSchema.optional(),
  system_prompt: requiredFieldSchema.optional().describe('The `context` of the session.'),
  metadata: jsonObjectSchema.optional(),
});

export const listOwnSessionsSchema = z
  .object({ ...pageFields, project_id: requiredFieldSchema.optional() })
  .refine(notBoth, NOT_BOTH);

export const sessionObjectSchema = z.object({
  id: z.string(),
  object: z.literal('session'),
  project_id: z.string(),
  title: z.string().optional(),
  model: z.string().optional(),
  system_prompt: z.string().optional(),
  status: sessionStatusSchema,
  is_active: z.boolean().describe('It is not closed.'),
  created_at: timestampSchema,
  updated_at: timestampSchema,
  message_count: z.int(),
  turn_count: z.int(),
  total_tokens: z.int().describe('Of the turns that have ended, with those of the cache.'),
  total_cost: z.number(),
});
export type SessionObject = z.infer<typeof sessionObjectSchema>;
export const sessionObjectsSchema = z.object({ sessions: z.array(sessionObjectSchema), ...pageShape });

export const sessionStatsSchema = z.object({
  total_sessions: z.int(),
  active_sessions: z.int().describe('Those that are not closed.'),
  working_sessions: z.int(),
  total_messages: z.int(),
  total_turns: z.int(),
  total_tokens: z.int(),
  input_tokens: z.int(),
  output_tokens: z.int(),
  cache_read_tokens: z.int(),
  cache_write_tokens: z.int(),
  total_cost: z.number(),
});
export type SessionStats = z.infer<typeof sessionStatsSchema>;
