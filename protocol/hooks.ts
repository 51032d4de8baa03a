/** Addresses at which other programs have a prompt sent. */
import * as z from 'zod';
import { pageShape } from './pages.js';
import { fieldSchema, nameSchema, timestampSchema } from './scalars.js';
import { namesOneTarget, ONE_TARGET, targetFields } from './targets.js';

const templateSchema = fieldSchema
  .refine((text) => text.trim() !== '', { error: 'must not be empty' })
  .describe('The prompt; `{{pull_request.title}}` stands for that value of the body. At most 16 different ones.');

export const createHookSchema = z
  .object({
    ...targetFields,
    name: nameSchema.optional(),
    template: templateSchema,
    signature: z
      .literal('github')
      .optional()
      .describe('The sender signs with `X-Hub-Signature-256`. Otherwise it sends the secret as a bearer token.'),
  })
  .refine(namesOneTarget, ONE_TARGET);

export const changeHookSchema = z
  .object({
    ...targetFields,
    name: nameSchema.optional(),
    template: templateSchema.optional(),
    signature: z.literal('github').nullable().optional().describe('`null`: the sender sends the secret.'),
    enabled: z.boolean().optional().describe('`false`: deliveries are refused until it is `true` again.'),
  })
  .refine((body) => body.sessionId === undefined || body.workingDirectory === undefined, {
    path: ['workingDirectory'],
    error: 'must not be given with sessionId',
  })
  .refine((body) => Object.values(body).some((value) => value !== undefined), {
    error: 'must name at least one field to change',
  });

export const hookSchema = z.object({
  id: z.string(),
  name: z.string().optional(),
  sessionId: z.string().optional(),
  workingDirectory: z.string().optional(),
  template: z.string(),
  signature: z.literal('github').optional(),
  enabled: z.boolean(),
  createdAt: timestampSchema,
  createdBy: z.string().describe('The device or key that made it.'),
  lastUsedAt: timestampSchema.optional().describe('When it last had a prompt sent.'),
});
export type HookView = z.infer<typeof hookSchema>;

export const addedHookSchema = hookSchema.extend({
  path: z.string().describe('Where to send to, below the address of the daemon.'),
  secret: z.string().describe('It is shown only here.'),
});
export const hooksSchema = z.object({ hooks: z.array(hookSchema), ...pageShape });

export const hookAnswerSchema = z.object({
  accepted: z.boolean().describe('`false` for the `ping` that GitHub sends first.'),
  promptId: z.string().optional(),
});
