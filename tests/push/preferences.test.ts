/** What a person may prefer, and what is said of what they may not. */
import { describe, expect, test } from '@jest/globals';
import type { ZodType } from 'zod';
import { CompanionError } from '../../protocol/error-codes.js';
import { toCompanionError } from '../../protocol/parse-client-frame.js';
import {
  PUSH_KINDS,
  pushPreferencesPatchSchema,
  pushPreferencesSchema,
  sessionPushPreferencesSchema,
} from '../../protocol/push-preferences.js';
import {
  bodyFor,
  patchPreferences,
  readPreferences,
  readSessionPreferences,
} from '../../services/model/push-preferences.js';

const QUIET = { from: '22:00', to: '07:00', timeZone: 'Europe/Berlin' };

const refusal = (schema: ZodType, input: unknown): CompanionError => {
  const parsed = schema.safeParse(input);
  if (parsed.success) throw new Error('it was not refused');
  return toCompanionError(parsed.error, 'preferences');
};

describe('preferences of a device', () => {
  test.each([
    [{}],
    [{ enabled: false }],
    [{ kinds: Object.fromEntries(PUSH_KINDS.map((kind) => [kind, false])) }],
    [{ quietHours: QUIET, body: 'full' }],
    [{ quietHours: { ...QUIET, exceptUrgent: false } }],
    [{ quietHours: { ...QUIET, timeZone: 'UTC' } }],
    [{ quietHours: { ...QUIET, timeZone: 'America/Argentina/Buenos_Aires' } }],
  ])('%j is understood, and kept as it is', (preferences) => {
    expect(pushPreferencesSchema.parse(preferences)).toEqual(preferences);
    expect(readPreferences(preferences)).toEqual(preferences);
  });

  test.each([
    [{ sound: 'loud' }, 'sound', 'is not known'],
    [{ kinds: { tool: false } }, 'kinds.tool', 'is not known'],
    [{ kinds: { digest: false } }, 'kinds.digest', 'is not known'],
    [{ quietHours: { ...QUIET, days: [] } }, 'quietHours.days', 'is not known'],
    [{ quietHours: { ...QUIET, from: '24:00' } }, 'quietHours.from', 'must be a time of day from 00:00 to 23:59'],
    [{ quietHours: { ...QUIET, to: '7:00' } }, 'quietHours.to', 'must be a time of day from 00:00 to 23:59'],
    [{ quietHours: { ...QUIET, to: '22:00' } }, 'quietHours.to', /must differ/],
    [{ quietHours: { ...QUIET, timeZone: 'Europe/Nowhere' } }, 'quietHours.timeZone', /must be a time zone/],
    [{ quietHours: { ...QUIET, timeZone: '+01:00' } }, 'quietHours.timeZone', /must be a time zone/],
    [{ quietHours: { ...QUIET, timeZone: 'x'.repeat(10_000) } }, 'quietHours.timeZone', /./],
    [{ quietHours: { from: '22:00', to: '07:00' } }, 'quietHours.timeZone', /./],
    [{ enabled: 'yes' }, 'enabled', /boolean/],
    [{ body: 'all' }, 'body', /state.*full/],
    [[], 'preferences', /./],
  ])('%j: the error names %s', (input, field, rule) => {
    for (const schema of [pushPreferencesSchema, pushPreferencesPatchSchema]) {
      const error = refusal(schema, input);
      expect(error).toBeInstanceOf(CompanionError);
      expect(error.details?.field).toBe(field);
      expect(error.details?.rule).toEqual(expect.stringMatching(rule));
    }
  });

  test('a long unknown name does not make a long error', () => {
    expect(refusal(pushPreferencesSchema, { ['x'.repeat(10_000)]: 1 }).message.length).toBeLessThan(300);
  });

  test('a change leaves what it does not name, and takes away what is null', () => {
    const known = { enabled: false, kinds: { plan: false }, quietHours: QUIET };
    expect(patchPreferences(known, {})).toEqual(known);
    expect(patchPreferences(known, { enabled: true })).toEqual({ ...known, enabled: true });
    expect(patchPreferences(known, { quietHours: null, enabled: null })).toEqual({ kinds: { plan: false } });
    expect(patchPreferences(known, { kinds: { limit: false, plan: true } }).kinds).toEqual({
      limit: false,
      plan: true,
    });
    expect(patchPreferences(known, { kinds: { limit: false } }).kinds).toEqual({ limit: false, plan: false });
    expect(patchPreferences(known, { kinds: null })).toEqual({ enabled: false, quietHours: QUIET });
    expect(patchPreferences({}, { body: 'full' })).toEqual({ body: 'full' });
  });

  test('of what an older daemon or an owner has written, all is kept that can be understood', () => {
    const stored = { enabled: false, sounds: 1, quietHours: { from: 22 }, body: 'state', toString: 1 };
    expect(readPreferences(stored)).toEqual({ enabled: false, body: 'state' });
    for (const nothing of [undefined, null, 'x', 5, []]) expect(readPreferences(nothing)).toEqual({});
  });

  test("a device's own word on what a push may say comes before the server's", () => {
    expect(bodyFor({}, 'state')).toBe('state');
    expect(bodyFor({}, 'full')).toBe('full');
    expect(bodyFor({ body: 'full' }, 'state')).toBe('full');
    expect(bodyFor({ body: 'state' }, 'full')).toBe('state');
  });
});

describe('preferences of a session', () => {
  test.each([[{}], [{ muted: true }], [{ muted: false }], [{ muted: '2026-11-21T08:00:00.000Z' }]])(
    '%j',
    (preferences) => {
      expect(sessionPushPreferencesSchema.parse(preferences)).toEqual(preferences);
      expect(readSessionPreferences(preferences)).toEqual(preferences);
    },
  );

  test.each([
    [{ muted: 'tomorrow' }, 'muted', /^must be true, false or the time/],
    [{ muted: '2026-02-30T08:00:00.000Z' }, 'muted', /^must be true, false or the time/],
    [{ mute: true }, 'mute', 'is not known'],
  ])('%j: the error names %s', (input, field, rule) => {
    const { details } = refusal(sessionPushPreferencesSchema, input);
    expect(details?.field).toBe(field);
    expect(details?.rule).toEqual(expect.stringMatching(rule));
  });

  test('what cannot be understood is left out', () => {
    expect(readSessionPreferences({ muted: 'tomorrow' })).toEqual({});
  });
});
