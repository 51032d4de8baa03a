/** Conversations of the CLI by their directory. */
import * as z from 'zod';
import { NOT_BOTH, notBoth, pageFields, pageShape } from './pages.js';
import { requiredFieldSchema, timestampSchema } from './scalars.js';

/** `GET /api/conversations`: exactly one of the three fields names the directory. */
export const listConversationsSchema = z
  .object({
    workingDirectory: requiredFieldSchema.optional(),
    projectPath: requiredFieldSchema.optional(),
    folderName: requiredFieldSchema.optional().describe('A folder of the first of `PROJECT_ROOTS`.'),
    ...pageFields,
  })
  .refine(notBoth, NOT_BOTH)
  .refine((query) => [query.workingDirectory, query.projectPath, query.folderName].filter(Boolean).length === 1, {
    path: ['workingDirectory'],
    error: 'exactly one of workingDirectory, projectPath and folderName must be given',
  });

const conversationSchema = z.object({
  claudeSessionId: z
    .string()
    .describe('For `resume` of `POST /api/sessions` and `streamStart`, with or without `fork`.'),
  title: z.string().describe('Given by a person or the CLI, or the first prompt.'),
  firstPrompt: z.string().optional().describe('At most 500 characters.'),
  createdAt: timestampSchema.optional(),
  lastModified: timestampSchema,
  size: z.int().optional().describe('Bytes of its transcript.'),
  branch: z.string().optional().describe("git's, at its end."),
  tag: z.string().optional(),
  archived: z.literal(true).optional(),
  sessionId: z.string().optional().describe('The session that holds it now.'),
});

export const conversationsSchema = z.object({
  conversations: z.array(conversationSchema),
  ...pageShape,
});
export type Conversations = z.infer<typeof conversationsSchema>;
