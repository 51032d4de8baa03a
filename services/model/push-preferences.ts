import {
  type PushBody,
  type PushPreferences,
  type PushPreferencesPatch,
  pushPreferencesSchema,
  type SessionPushPreferences,
  sessionPushPreferencesSchema,
} from '../../protocol/push-preferences.js';

/** The preferences after a requested change. */
export function patchPreferences(known: PushPreferences, patch: PushPreferencesPatch): PushPreferences {
  const kinds = patch.kinds ? { ...known.kinds, ...patch.kinds } : patch.kinds;
  const changes = Object.entries({ ...patch, kinds }).filter(([, value]) => value !== undefined);
  const changed = Object.entries({ ...known, ...Object.fromEntries(changes) }).filter(([, value]) => value !== null);
  return Object.fromEntries(changed);
}

/** The readable part of the stored preferences: the file can be older, or edited by hand. */
export function readPreferences(stored: unknown): PushPreferences {
  return readFields(pushPreferencesSchema.shape, stored);
}

export function readSessionPreferences(stored: unknown): SessionPushPreferences {
  return readFields(sessionPushPreferencesSchema.shape, stored);
}

/** A field that cannot be read affects no other. */
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

/** The permitted content of a push: the device's preference where it has one, else the server's setting. */
export const bodyFor = ({ body }: PushPreferences, setting: PushBody): PushBody => body ?? setting;
