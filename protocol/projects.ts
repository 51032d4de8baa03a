/** The directories below the allowed roots over REST. */
import * as z from 'zod';
import { branchNameSchema } from './branch-name.js';
import { cloneAddressSchema } from './clone-address.js';
import { folderNameSchema, forgetProjectSchema } from './openai-views.js';
import { NOT_BOTH, notBoth, pageFields, pageShape } from './pages.js';
import { errorBodySchema } from './rest.js';
import { sessionStatusSchema, timestampSchema } from './scalars.js';

export const placeSchema = z.object({
  name: z.string().describe('Of the folder.'),
  path: z.string(),
  branch: z.string().optional().describe('That is checked out; the first digits of the commit where it is none.'),
  dirty: z
    .boolean()
    .optional()
    .describe('Files differ from the commit, or are untracked and not ignored. Absent where git cannot say in 3 s.'),
  changes: z
    .int()
    .optional()
    .describe('How many files and untracked folders that are; absent where they are too many.'),
  worktrees: z
    .array(z.object({ path: z.string(), branch: z.string().optional() }))
    .optional()
    .describe('All working trees of the repository, where it has several.'),
  lastConversation: z
    .object({
      claudeSessionId: z.string().describe('For `resume`.'),
      title: z.string(),
      lastModified: timestampSchema,
    })
    .optional()
    .describe('Written last in the directory, here or in a terminal.'),
  sessionId: z.string().optional().describe("The caller's session of the directory."),
  sessionName: z.string().optional(),
  status: sessionStatusSchema.optional(),
  isWorking: z.boolean(),
  lastActivity: timestampSchema.optional(),
});
export type ProjectPlace = z.infer<typeof placeSchema>;

export const placesSchema = z.object({ projects: z.array(placeSchema), ...pageShape });

export const listPlacesSchema = z
  .object({
    ...pageFields,
    details: z
      .enum(['true', 'false'])
      .default('false')
      .describe('`true`: with `dirty`, `changes`, `worktrees` and `lastConversation` as far as they are known in 3 s.'),
  })
  .refine(notBoth, NOT_BOTH);

export const makePlaceSchema = z.object({
  name: folderNameSchema.describe('A folder below the first of `PROJECT_ROOTS`, which may exist.'),
});

export const clonePlaceSchema = z.object({
  cloneUrl: cloneAddressSchema.describe('`https://host/path`, `ssh://[user@]host/path` or `user@host:path`.'),
  name: folderNameSchema
    .optional()
    .describe(
      'A folder below the first of `PROJECT_ROOTS`, which must not exist. Default: the last part of the address.',
    ),
});

export const addWorktreeSchema = z.object({
  branch: branchNameSchema.describe(
    'What is checked out: a branch, or one of `origin`, which becomes one here. With `newBranch` also a tag.',
  ),
  newBranch: branchNameSchema.optional().describe('A branch that is made for it, and begins at `branch`.'),
  name: folderNameSchema
    .optional()
    .describe(
      'A folder below the first of `PROJECT_ROOTS`, which must not exist. Default: the name of the project, a dash, and that of the branch with dashes for `/`.',
    ),
});

const CLONE_PHASES = ['counting', 'compressing', 'receiving', 'resolving', 'checkout'] as const;

export const cloneProgressSchema = z.object({
  phase: z.enum(CLONE_PHASES).describe('The first two are work of the other side.'),
  percent: z.int().optional(),
  done: z.int().describe('Objects, or files of the checkout.'),
  total: z.int().optional().describe('Of `done`, where it is known.'),
  bytes: z.int().optional().describe('Received so far, as git tells it.'),
});
export type CloneProgress = z.infer<typeof cloneProgressSchema>;

export const forgetPlaceSchema = forgetProjectSchema.extend({
  files: z
    .enum(['true', 'false'])
    .default('false')
    .describe('`true` also removes the directory with everything in it, for good.'),
});

/** The events of a clone as a stream. */
export const CLONE_EVENTS = {
  progress: cloneProgressSchema.extend({ type: z.literal('progress'), timestamp: timestampSchema }),
  complete: z.object({ type: z.literal('complete'), project: placeSchema, timestamp: timestampSchema }),
  error: z.object({ type: z.literal('error'), error: errorBodySchema.shape.error, timestamp: timestampSchema }),
};
export type CloneEventName = keyof typeof CLONE_EVENTS;
export type CloneEvent<T extends CloneEventName> = z.infer<(typeof CLONE_EVENTS)[T]>;
