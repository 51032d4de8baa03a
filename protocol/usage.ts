/** Answers about the account's usage limits and about the daemon. */
import * as z from 'zod';
import { budgetSchema } from './budgets.js';
import { EVENTS } from './events.js';
import { timestampSchema } from './scalars.js';

/** Who pays. Never an address, a name or a credential. */
const accountSchema = z.object({
  kind: z
    .enum(['subscription', 'apiKey', 'cloud', 'gateway'])
    .describe('`cloud`: a cloud provider; `gateway`: a gateway of an organisation.'),
  plan: z.string().optional().describe("Of a subscription, in the CLI's words: `Claude Max`."),
  provider: z.string().optional().describe("Of `cloud`, under the CLI's name: `bedrock`, `vertex` …"),
});
export type AccountView = z.infer<typeof accountSchema>;

const account = accountSchema
  .optional()
  .describe('As the last child said when it started; absent until one has, and where it does not know.');

const windowSchema = EVENTS.rateLimit
  .pick({ utilization: true, resetsAt: true })
  .extend({ window: z.string().describe("Under the CLI's name: `five_hour`, `seven_day` …") });

/** `GET /api/usage/limits`. */
export const usageLimitsSchema = EVENTS.rateLimit.omit({ sessionId: true, timestamp: true }).extend({
  account,
  status: EVENTS.rateLimit.shape.status
    .optional()
    .describe('Absent while nothing is known. Once the window has reset it is `allowed`.'),
  windows: z.array(windowSchema).describe('The windows that are known and have not reset since.'),
  updatedAt: timestampSchema.optional().describe('When something of it last changed.'),
});
export type UsageLimits = z.infer<typeof usageLimitsSchema>;

const lastingAddressSchema = z.object({
  url: z.string().describe('An origin: `https://companion.example.org`.'),
  state: z
    .enum(['lasting', 'suggested'])
    .describe('`suggested`: the daemon answers there once it is the setting `PUBLIC_URL`.'),
});
export type LastingAddress = z.infer<typeof lastingAddressSchema>;

/** `GET /api/info`. */
export const infoSchema = z.object({
  version: z.string(),
  claudeCodeVersion: z
    .string()
    .optional()
    .describe('Absent without a CLI; `unknown` until it has reported its version.'),
  capabilities: z.array(z.string()).describe('As in `welcome`.'),
  account,
  addresses: z
    .array(lastingAddressSchema)
    .describe(
      'Under which the daemon can be found tomorrow too, the best first. Only from there the console is installed.',
    ),
});
export type Info = z.infer<typeof infoSchema>;

const USAGE_GROUPS = ['model', 'session', 'project', 'person', 'day'] as const;
const daySchema = z.iso.date({ error: 'must be a day: YYYY-MM-DD' });

/** `GET /api/usage`. */
export const usageQuerySchema = z
  .object({
    group: z
      .enum(USAGE_GROUPS, { error: `must be one of ${USAGE_GROUPS.join(', ')}` })
      .default('day')
      .describe('What one row is of.'),
    from: daySchema.optional().describe('The first day, in UTC.'),
    to: daySchema.optional().describe('The last day, in UTC.'),
  })
  .refine(({ from, to }) => from === undefined || to === undefined || from <= to, {
    path: ['to'],
    error: 'must not be before from',
  });
export type UsageQuestion = z.infer<typeof usageQuerySchema>;

const usageRowSchema = z.object({
  key: z
    .string()
    .describe('A model, a session id, a directory, an e-mail address or a day. Empty for a model that is unknown.'),
  turns: z.int(),
  input: z.int().describe('Tokens that were neither read from the cache nor written to it.'),
  output: z.int().describe('Tokens.'),
  cacheRead: z.int().describe('Tokens.'),
  cacheWrite: z.int().describe('Tokens.'),
  cost: z.number().describe('US dollars, as the CLI reckons them.'),
});
export type UsageRowView = z.infer<typeof usageRowSchema>;

export const usageSchema = z.object({
  rows: z.array(usageRowSchema),
  budgets: z.array(budgetSchema).describe("The caller's own, whatever the days and the group."),
});
export type Usage = z.infer<typeof usageSchema>;
