/** A person's push preferences: for each device, and for each session. An unknown name is an error. */
import * as z from 'zod';

/** The kinds of pushes that can be switched off. */
export const PUSH_KINDS = [
  'permission',
  'question',
  'plan',
  'turn_complete',
  'turn_failed',
  'limit',
  'given_up',
  'budget',
] as const;

/** A time of day in the accompanying time zone. */
const timeOfDaySchema = z
  .string()
  .regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, { error: 'must be a time of day from 00:00 to 23:59' });

const isTimeZone = (name: string): boolean => {
  try {
    return /^[A-Za-z]/.test(name) && new Intl.DateTimeFormat('en', { timeZone: name }) instanceof Intl.DateTimeFormat;
  } catch {
    // `DateTimeFormat` throws a `RangeError` for an unknown name.
    return false;
  }
};

const MAX_TIME_ZONE = 64;
const timeZoneSchema = z
  .string()
  .max(MAX_TIME_ZONE)
  .refine(isTimeZone, { error: 'must be a time zone of the IANA database, for example Europe/Berlin' });

export const quietHoursSchema = z
  .strictObject({
    from: timeOfDaySchema.describe('For example `22:00`.'),
    to: timeOfDaySchema.describe('On the next day if it is earlier than `from`.'),
    timeZone: timeZoneSchema,
    exceptUrgent: z
      .boolean()
      .optional()
      .describe('Urgent pushes ignore quiet hours. Default: true. False: they come afterwards, if still waiting.'),
  })
  .refine(({ from, to }) => from !== to, {
    path: ['to'],
    error: 'must differ from `from`; `enabled` switches all off',
  });
export type QuietHours = z.infer<typeof quietHoursSchema>;

const kindSwitch = z.boolean().optional();
const kindsSchema = z.strictObject({
  permission: kindSwitch,
  question: kindSwitch,
  plan: kindSwitch,
  turn_complete: kindSwitch,
  turn_failed: kindSwitch,
  limit: kindSwitch,
  given_up: kindSwitch,
  budget: kindSwitch,
} satisfies Record<(typeof PUSH_KINDS)[number], typeof kindSwitch>);

/** `state`: what happened. `full`: also the first line of the text. */
const bodySchema = z.enum(['state', 'full']);
export type PushBody = z.infer<typeof bodySchema>;

/** Preferences of a device. Defaults: all kinds on, no quiet hours, and the body configured on the server. */
export const pushPreferencesSchema = z.strictObject({
  enabled: z.boolean().optional(),
  kinds: kindsSchema.optional(),
  quietHours: quietHoursSchema.optional(),
  body: bodySchema.optional(),
});
export type PushPreferences = z.infer<typeof pushPreferencesSchema>;

/** Changes to a device's preferences: absent fields stay, null removes. `kinds` are changed one by one. */
export const pushPreferencesPatchSchema = z.strictObject({
  enabled: z.boolean().nullish(),
  kinds: kindsSchema.nullish(),
  quietHours: quietHoursSchema.nullish(),
  body: bodySchema.nullish(),
});
export type PushPreferencesPatch = z.infer<typeof pushPreferencesPatchSchema>;

const MUTED = 'must be true, false or the time until which, in ISO 8601 with milliseconds';

/** Preferences of a session, for all devices of its person. */
export const sessionPushPreferencesSchema = z.strictObject({
  muted: z
    .union([z.boolean(), z.iso.datetime({ precision: 3, error: MUTED })], { error: MUTED })
    .optional()
    .describe('True: until changed. A time: until then.'),
});
export type SessionPushPreferences = z.infer<typeof sessionPushPreferencesSchema>;
