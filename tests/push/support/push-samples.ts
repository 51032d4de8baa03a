import { generateKeyPairSync } from 'node:crypto';
import type { DeviceId, SessionId } from '../../../protocol/scalars.js';
import type { PushMessage, PushRegistration } from '../../../services/ports/push.js';
import type { UserId } from '../../../services/ports/records.js';

export const DEVICE_TOKEN = 'a1'.repeat(32);

export const registration = (rest: Partial<PushRegistration> = {}): PushRegistration => ({
  device: { userId: 'owner' as UserId, deviceId: 'phone' as DeviceId },
  platform: 'ios',
  token: DEVICE_TOKEN,
  environment: 'production',
  registeredAt: 1_700_000_000_000,
  ...rest,
});

const HOUR_MS = 3_600_000;

/** A permission that waits, with a token for each decision. */
export const message = (rest: Partial<PushMessage> = {}): PushMessage => ({
  pushId: 'push-1',
  kind: 'permission',
  sessionId: 'session-1' as SessionId,
  seq: 7,
  title: 'companion',
  subtitle: 'Permission',
  body: 'Bash wants to run',
  permissionId: 'toolu_01',
  options: ['Yes', 'No'],
  actionTokens: { allow: 'token-that-allows', deny: 'token-that-denies', always: 'token-for-always' },
  collapseId: 'permission-toolu_01',
  badge: 2,
  expiresAt: Date.now() + HOUR_MS,
  ...rest,
});

/** A token key as Apple gives it: P-256, PKCS #8, PEM. */
export function tokenKey(namedCurve = 'P-256') {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve });
  return { publicKey, pem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}
