/** Prompts that the daemon sends by itself at a time. */
import * as z from 'zod';
import { errorCodeSchema } from './error-codes.js';
import { pageShape } from './pages.js';
import { nameSchema, promptTextSchema, timestampSchema } from './scalars.js';
import { namesOneTarget, ONE_TARGET, targetFields } from './targets.js';

const MAX_CRON = 200;
const MAX_TIME_ZONE = 64;

const futureSchema = z.iso
  .datetime({ offset: true })
  .refine((text) => Date.parse(text) > Date.now(), { error: 'must be in the future' });

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    // The only error is that there is no such zone.
    return false;
  }
}

const timeZoneSchema = z
  .string()
  .max(MAX_TIME_ZONE)
  .refine(isTimeZone, { error: 'must be a time zone such as Europe/Berlin' });

/** A text that is more than space. */
const spokenSchema = promptTextSchema.refine((text) => text.trim() !== '', { error: 'must not be empty' });

const missedSchema = z.enum(['skip', 'once']);

const whenFields = {
  at: futureSchema.optional().describe('One time, with its offset or `Z`.'),
  cron: z
    .string()
    .trim()
    .max(MAX_CRON)
    .optional()
    .describe('Five fields (minute, hour, day, month, weekday), or `@daily` and the like: at most once a minute.'),
  timeZone: timeZoneSchema.optional().describe("With `cron`. Default: the machine's."),
};

type When = { at?: string | undefined; cron?: string | undefined; timeZone?: string | undefined };

const hasBoth = ({ at, cron }: When): boolean => at !== undefined && cron !== undefined;
const zoneFits = ({ at, timeZone }: When): boolean => at === undefined || timeZone === undefined;
const ZONE_WITH_AT = { path: ['timeZone'], error: 'must not be given with at, which has an offset' };

export const createScheduleSchema = z
  .object({
    ...targetFields,
    name: nameSchema.optional(),
    prompt: spokenSchema,
    ...whenFields,
    missed: missedSchema
      .default('skip')
      .describe('What becomes of times that passed without a daemon: `once` sends one prompt for all of them.'),
  })
  .refine(namesOneTarget, ONE_TARGET)
  .refine((body) => !hasBoth(body) && (body.at ?? body.cron) !== undefined, {
    path: ['at'],
    error: 'exactly one of at and cron must be given',
  })
  .refine(zoneFits, ZONE_WITH_AT);

export const changeScheduleSchema = z
  .object({
    name: nameSchema.optional(),
    prompt: spokenSchema.optional(),
    ...whenFields,
    missed: missedSchema.optional(),
    enabled: z.boolean().optional().describe('`false`: nothing is sent until it is `true` again.'),
  })
  .refine((body) => !hasBoth(body), { path: ['at'], error: 'must not be given with cron' })
  .refine(zoneFits, ZONE_WITH_AT)
  .refine((body) => Object.values(body).some((value) => value !== undefined), {
    error: 'must name at least one field to change',
  });

const runStateSchema = z.enum(['due', 'sent', 'missed', 'failed']);
export type RunState = z.infer<typeof runStateSchema>;

export const scheduleRunSchema = z.object({
  id: z.string(),
  scheduleId: z.string(),
  dueAt: timestampSchema,
  state: runStateSchema.describe('`due`: it is being sent. `missed`: its time passed without a daemon.'),
  manual: z.boolean().optional().describe('A person has asked for it.'),
  missed: z.int().optional().describe('How many times this stands for, that were missed; at most 1,000 are counted.'),
  startedAt: timestampSchema.optional(),
  sessionId: z.string().optional(),
  promptId: z.string().optional(),
  error: z.object({ code: errorCodeSchema, message: z.string() }).optional(),
});
export type ScheduleRunView = z.infer<typeof scheduleRunSchema>;

export const scheduleSchema = z.object({
  id: z.string(),
  name: z.string().optional(),
  sessionId: z.string().optional(),
  workingDirectory: z.string().optional(),
  prompt: z.string(),
  at: timestampSchema.optional(),
  cron: z.string().optional(),
  timeZone: z.string().optional(),
  missed: missedSchema,
  enabled: z.boolean(),
  nextAt: timestampSchema.optional().describe('Absent when nothing is to come.'),
  createdAt: timestampSchema,
  updatedAt: timestampSchema,
  createdBy: z.string().describe('The device or key that made it.'),
  lastRun: scheduleRunSchema.optional(),
});
export type ScheduleView = z.infer<typeof scheduleSchema>;

export const schedulesSchema = z.object({ schedules: z.array(scheduleSchema), ...pageShape });
export const scheduleRunsSchema = z.object({ runs: z.array(scheduleRunSchema), ...pageShape });
