import type { DeviceView } from '../../protocol/auth.js';
import type { DeviceEntry } from '../../services/identity/registry-file.js';
import { readPreferences } from '../../services/push/push-preferences.js';

/** A device as shown to its person: without its push registration, and without secrets. */
export const deviceView = ({
  deviceId,
  name,
  platform,
  family,
  revoked,
  push,
  preferences,
}: Readonly<DeviceEntry>): DeviceView => ({
  id: deviceId,
  deviceId,
  ...(name !== undefined && { name }),
  ...((platform ?? push?.platform) !== undefined && { platform: platform ?? push?.platform }),
  paired: family !== undefined,
  ...(family && { scopes: family.scopes, pairedAt: iso(family.createdAt), lastSeenAt: iso(family.refreshedAt) }),
  ...(revoked && { revoked: { at: iso(revoked.at), reason: revoked.reason } }),
  ...(push && { push: push.platform }),
  preferences: readPreferences(preferences),
});

const iso = (at: number): string => new Date(at).toISOString();
