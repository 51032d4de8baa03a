/** The record of accesses to files: `GET /api/sessions/:id/files/access`. */
import * as z from 'zod';
import { NOT_BOTH, notBoth, pageFields, pageShape } from './pages.js';
import { promptIdSchema, requiredFieldSchema, timestampSchema } from './scalars.js';

const kindSchema = z.enum(['read', 'write', 'edit', 'delete', 'list', 'search']);
export type FileAccessKind = z.infer<typeof kindSchema>;

export const listFileAccessesSchema = z
  .object({
    path: requiredFieldSchema.optional().describe("A file or folder, relative to the session's directory or absolute."),
    kind: kindSchema.optional(),
    promptId: promptIdSchema.optional().describe('Only what happened in the turn of this prompt.'),
    tool: requiredFieldSchema.optional().describe('Only what this tool of Claude did.'),
    ...pageFields,
  })
  .refine(notBoth, NOT_BOTH);
export type ListFileAccesses = z.infer<typeof listFileAccessesSchema>;

const fileAccessSchema = z.object({
  sessionId: z.string(),
  promptId: z.string().optional().describe('Of the turn in which it happened.'),
  kind: kindSchema,
  path: z
    .string()
    .describe(
      "Relative to the session's directory, or absolute when it is not below that; of the directory itself empty.",
    ),
  pattern: z.string().optional().describe('What `Glob` or `Grep` looked for.'),
  timestamp: timestampSchema,
  by: z.enum(['tool', 'device']),
  tool: z.string().optional().describe('The tool of Claude.'),
  toolUseId: z.string().optional().describe('The `toolId` of its event.'),
  seq: z.int().optional().describe('Of the event of the tool.'),
  deviceId: z.string().optional().describe('The device that sent the request.'),
});
export type FileAccessView = z.infer<typeof fileAccessSchema>;

export const fileAccessesSchema = z.object({ accesses: z.array(fileAccessSchema), ...pageShape });
export type FileAccesses = z.infer<typeof fileAccessesSchema>;
