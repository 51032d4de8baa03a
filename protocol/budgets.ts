/** REST of budgets: how much turns may use, by day, by week or altogether. */
import * as z from 'zod';
import { emailSchema } from './auth.js';
import { sessionIdSchema, timestampSchema } from './scalars.js';

const OF = ['session', 'person'] as const;
const PERIODS = ['day', 'week', 'always'] as const;
const STATES = ['ok', 'warning', 'exceeded'] as const;
export type BudgetOf = (typeof OF)[number];
export type BudgetPeriod = (typeof PERIODS)[number];
export type BudgetState = (typeof STATES)[number];

const MAX_TOKENS = 1_000_000_000_000;
const MIN_DOLLARS = 0.01;
const MAX_DOLLARS = 1_000_000;
const MIN_WARN_AT = 0.01;
const DEFAULT_WARN_AT = 0.8;

const tokensSchema = z
  .int()
  .min(1)
  .max(MAX_TOKENS)
  .describe('Input, output and what is written to the cache. What is read from the cache does not count.');
const dollarsSchema = z.number().min(MIN_DOLLARS).max(MAX_DOLLARS).describe('US dollars, as the CLI reckons them.');
const warnAtSchema = z
  .number()
  .min(MIN_WARN_AT)
  .max(1)
  .describe('The share of the budget at which it warns; 1: not before it is used up.');
const stopSchema = z
  .boolean()
  .describe('Whether prompts are refused with `CAPACITY` once it is used up. A running turn goes on.');

export const budgetOfSchema = z.enum(OF, { error: `must be one of ${OF.join(', ')}` });
export const budgetPeriodSchema = z.enum(PERIODS, { error: `must be one of ${PERIODS.join(', ')}` });

/** `GET /api/budgets`. */
export const listBudgetsSchema = z.object({
  person: emailSchema.optional().describe('Whose; another person than the own one needs `admin`.'),
});

const ONE_UNIT = 'must not stand beside tokens: a budget has one of them';

export const addBudgetSchema = z
  .strictObject({
    of: budgetOfSchema.describe('`session`: of each session, or of one. `person`: of all sessions together.'),
    sessionId: sessionIdSchema.optional().describe('With `of: "session"`: only this one.'),
    person: emailSchema.optional().describe('Whose it is; another person than the own one needs `admin`.'),
    period: budgetPeriodSchema.describe('In UTC; weeks begin on Monday.'),
    tokens: tokensSchema.optional(),
    dollars: dollarsSchema.optional(),
    warnAt: warnAtSchema.default(DEFAULT_WARN_AT),
    stop: stopSchema.default(false),
  })
  .refine(({ tokens, dollars }) => tokens !== undefined || dollars !== undefined, {
    path: ['tokens'],
    error: 'must be given, or dollars',
  })
  .refine(({ tokens, dollars }) => tokens === undefined || dollars === undefined, {
    path: ['dollars'],
    error: ONE_UNIT,
  })
  .refine(({ of, sessionId }) => of === 'session' || sessionId === undefined, {
    path: ['sessionId'],
    error: 'must be left out unless `of` is session',
  });
export type NewBudget = z.output<typeof addBudgetSchema>;

export const changeBudgetSchema = z
  .strictObject({
    tokens: tokensSchema.optional(),
    dollars: dollarsSchema.optional(),
    warnAt: warnAtSchema.optional(),
    stop: stopSchema.optional(),
  })
  .refine((changes) => Object.values(changes).some((value) => value !== undefined), {
    error: 'at least one of tokens, dollars, warnAt and stop must be given',
  })
  .refine(({ tokens, dollars }) => tokens === undefined || dollars === undefined, {
    path: ['dollars'],
    error: ONE_UNIT,
  });
export type BudgetChanges = z.output<typeof changeBudgetSchema>;

export const budgetSchema = z.object({
  budgetId: z.string(),
  of: z.enum(OF),
  sessionId: z.string().optional().describe('Absent: of each session.'),
  person: z.string().describe('The address of the person whose it is.'),
  period: z.enum(PERIODS),
  tokens: z.int().optional(),
  dollars: z.number().optional(),
  warnAt: z.number(),
  stop: z.boolean(),
  used: z.number().describe('In this period, in its unit; of a budget of each session by the one that has used most.'),
  usedBy: z.string().optional().describe('The id of that session.'),
  remaining: z.number().describe('Never below 0.'),
  state: z.enum(STATES),
  resetsAt: timestampSchema.optional().describe('When the next period begins; absent for `always`.'),
  createdAt: timestampSchema,
  updatedAt: timestampSchema,
});
export type BudgetView = z.infer<typeof budgetSchema>;

export const budgetsSchema = z.object({ budgets: z.array(budgetSchema).describe('Oldest first.') });
