/** Addresses of other programs that are told what happens. */
import * as z from 'zod';
import { pageShape } from './pages.js';
import { PUSH_KINDS } from './push-preferences.js';
import { fieldSchema, nameSchema, requiredFieldSchema, sessionIdSchema, timestampSchema } from './scalars.js';

const MAX_URL = 2048;
const MAX_SESSIONS = 100;

const urlSchema = fieldSchema
  .max(MAX_URL, { error: `must be at most ${MAX_URL} characters` })
  .refine(isAddress, { error: 'must be an https address without a user name, a password and a fragment' });

/** Whether `http:` may be used depends on the settings of the daemon. */
function isAddress(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, hash } = new URL(text);
  return /^https?:$/.test(protocol) && username === '' && password === '' && hash === '' && !text.includes('#');
}

const isDistinct = (items: readonly string[]): boolean => new Set(items).size === items.length;
const DISTINCT = { error: 'must not name one twice' };

const webhookEventsSchema = z.array(z.enum(PUSH_KINDS)).min(1).refine(isDistinct, DISTINCT);

export const createWebhookSchema = z
  .strictObject({
    url: urlSchema.describe(
      'Where to send to: `https`, at a public address. It is shown in lists: it should hold no secret.',
    ),
    events: webhookEventsSchema.optional().describe('Default: all, with those that are added later.'),
    sessionIds: z
      .array(sessionIdSchema)
      .min(1)
      .max(MAX_SESSIONS)
      .refine(isDistinct, DISTINCT)
      .optional()
      .describe('Only of these sessions. Default: of all.'),
    project: requiredFieldSchema
      .optional()
      .describe('Only of sessions of this directory; relative to the first of `PROJECT_ROOTS`.'),
    description: nameSchema.optional(),
  })
  .refine(({ sessionIds, project }) => sessionIds === undefined || project === undefined, {
    path: ['project'],
    error: 'must not be given with sessionIds',
  });

export const changeWebhookSchema = z
  .strictObject({
    url: urlSchema.optional(),
    events: webhookEventsSchema.nullish().describe('`null`: all.'),
    enabled: z.boolean().optional().describe('`true` also enables one again that the daemon has disabled.'),
    description: nameSchema.nullish().describe('`null`: none.'),
  })
  .refine((body) => Object.values(body).some((value) => value !== undefined), {
    error: 'must name at least one field to change',
  });

const disabledReasonSchema = z.enum(['gone', 'failing', 'secret_lost']);
export type DisabledReason = z.infer<typeof disabledReasonSchema>;

export const webhookSchema = z.object({
  webhookId: z.string(),
  url: z.string(),
  events: z.array(z.string()).optional().describe('Absent: all.'),
  sessionIds: z.array(z.string()).optional(),
  project: z.string().optional(),
  description: z.string().optional(),
  enabled: z.boolean(),
  disabledReason: disabledReasonSchema
    .optional()
    .describe(
      'Why the daemon has disabled it. `gone`: it answered 410. `failing`: for days nothing arrived. `secret_lost`: the key file of the daemon is another one; a new secret (`rotate`) mends it.',
    ),
  disabledAt: timestampSchema.optional(),
  failingSince: timestampSchema.optional().describe('Since when every attempt has failed. Absent after a success.'),
  createdAt: timestampSchema,
  updatedAt: timestampSchema,
  createdBy: z.string().describe('The device or key that made it.'),
  rotatedAt: timestampSchema.optional().describe('When its secret was last replaced.'),
  previousSecretUntil: timestampSchema
    .optional()
    .describe('Until then each message is signed with the secret before, too.'),
});
export type WebhookView = z.infer<typeof webhookSchema>;

const secret = z.string().describe('`whsec_` and 32 bytes in base64. It is shown only here.');
export const addedWebhookSchema = webhookSchema.extend({ secret });
export const webhooksSchema = z.object({ webhooks: z.array(webhookSchema), ...pageShape });

const failureSchema = z.enum(['unreachable', 'timeout', 'broken', 'private_address', 'redirect', 'status', 'internal']);
export type WebhookFailure = z.infer<typeof failureSchema>;

const attemptSchema = z.object({
  at: timestampSchema,
  durationMs: z.int(),
  status: z.int().optional().describe('Of the answer, if there was one.'),
  failure: failureSchema
    .optional()
    .describe(
      'Absent where it arrived. `unreachable`: no connection. `timeout`: no answer within 15 s. `broken`: an answer that is not HTTP, or none. `private_address`: nothing was sent. `redirect`: it is not followed. `status`: any other that is not 2xx. `internal`: the daemon could not send.',
    ),
});

export const webhookDeliverySchema = z.object({
  deliveryId: z.string().describe('The `webhook-id` of each of its attempts.'),
  webhookId: z.string(),
  type: z.string().describe('Of its event, or `test`.'),
  sessionId: z.string().optional(),
  state: z.enum(['owed', 'delivered', 'failed']),
  reason: z
    .enum(['given_up', 'gone', 'disabled', 'too_many'])
    .optional()
    .describe(
      'Why it failed. `given_up`: after the last attempt. `disabled`: before it arrived, its webhook was. `too_many`: more waited than are kept.',
    ),
  attempts: z.int(),
  createdAt: timestampSchema,
  nextAttemptAt: timestampSchema.optional().describe('Present while it is owed.'),
  lastAttempt: attemptSchema.optional(),
});
export type WebhookDeliveryView = z.infer<typeof webhookDeliverySchema>;

export const webhookDeliveriesSchema = z.object({ deliveries: z.array(webhookDeliverySchema), ...pageShape });
