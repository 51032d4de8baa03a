/** REST of keys: the credentials of scripts. */
import * as z from 'zod';
import { scopeSchema } from './access.js';
import { emailSchema } from './auth.js';
import { nameSchema, timestampSchema } from './scalars.js';

const futureSchema = z.iso.datetime({ offset: true }).refine((text) => Date.parse(text) > Date.now(), {
  error: 'must be in the future',
});

const MAX_LIMIT = 1_000_000;
const limitSchema = z.int().min(1).max(MAX_LIMIT).optional();

/** What a key may do beside what all credentials of its person may do together. */
const keyLimitsSchema = z
  .object({
    prompts: limitSchema.describe('Per minute.'),
    files: limitSchema.describe('Per minute.'),
    reads: limitSchema.describe('Per minute.'),
    frames: limitSchema.describe('Per minute.'),
    sessions: limitSchema.describe('Open at the same time, of those that it has opened.'),
    connections: limitSchema.describe('At the same time: WebSockets, and as many event streams.'),
  })
  .strict();
export type KeyLimits = z.infer<typeof keyLimitsSchema>;

export const addKeySchema = z.object({
  name: nameSchema.min(1, { error: 'must not be empty' }),
  scopes: z
    .array(scopeSchema)
    .min(1, { error: 'must name at least one scope' })
    .describe('No more than those of the credential that adds it.'),
  limits: keyLimitsSchema.optional().describe('The limits of the person hold as well.'),
  expiresAt: futureSchema.optional().describe('Without it the key is valid until it is revoked.'),
});

/** `POST /local/keys`, for the command `keys`. */
export const addAnyKeySchema = addKeySchema.extend({ user: emailSchema.optional() });

export const keySchema = z.object({
  id: z.string(),
  name: z.string(),
  scopes: z.array(scopeSchema),
  limits: keyLimitsSchema.optional(),
  createdAt: timestampSchema,
  expiresAt: timestampSchema.optional(),
  lastUsedAt: timestampSchema.optional().describe('To the hour after a restart of the daemon.'),
});
export type KeyView = z.infer<typeof keySchema>;

export const addedKeySchema = keySchema.extend({
  key: z.string().describe('The credential, for `Authorization: Bearer`. It is shown only here.'),
});
export const keysSchema = z.object({ keys: z.array(keySchema.extend({ user: z.string().optional() })) });
