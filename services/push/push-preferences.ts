import {
  type PushBody,
  type PushPreferences,
  type PushPreferencesPatch,
  pushPreferencesSchema,
  type SessionPushPreferences,
  sessionPushPreferencesSchema,
} from '../../protocol/push-preferences.js';

/** The preferences after a change that was asked for. */
export function patchPreferences(known: PushPreferences, patch: PushPreferencesPatch): PushPreferences {
  const kinds = patch.kinds ? { ...known.kinds, ...patch.kinds } : patch.kinds;
  const changes = Object.entries({ ...patch, kinds }).filter(([, value]) => value !== undefined);
  const changed = Object.entries({ ...known, ...Object.fromEntries(changes) }).filter(([, value]) => value !== null);
  return Object.fromEntries(changed);
}

/** What is stored, as far as it can be understood: the file may be older, or an owner has mended it by hand. */
export function readPreferences(stored: unknown): PushPreferences {
  return readFields(pushPreferencesSchema.shape, stored);
}

export function readSessionPreferences(stored: unknown): SessionPushPreferences {
  return readFields(sessionPushPreferencesSchema.shape, stored);
}

/** A field that cannot be read takes no other with it. */
function readFields(
  shape: Record<string, { safeParse(value: unknown): { success: boolean } }>,
  stored: unknown,
): object {
  if (typeof stored !== 'object' || stored === null) return {};
  return Object.fromEntries(
    Object.entries(stored).filter(
      ([name, value]) => Object.hasOwn(shape, name) && shape[name]?.safeParse(value).success,
    ),
  );
}

/** What a push may say: the device's preference where it has one, else what the server is set to. */
export const bodyFor = ({ body }: PushPreferences, setting: PushBody): PushBody => body ?? setting;
