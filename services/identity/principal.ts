import { SCOPES, type Scope } from '../../protocol/access.js';
import type { KeyLimits } from '../../protocol/keys.js';
import type { DeviceId } from '../../protocol/scalars.js';
import type { UserId } from '../ports/records.js';

/** An authenticated caller. */
export interface Principal {
  userId: UserId;
  /** The kind: the local socket, `AUTH_TOKEN`, the owner's token in the registry, or that of a device or a script. */
  credential: 'local' | 'setting' | 'token' | 'device' | 'key';
  scopes: ReadonlySet<Scope>;
  /** The device of the credential: `familyId` identifies all tokens from one pairing or login. */
  device?: { deviceId: DeviceId; familyId: string };
  /** The key of a script. */
  key?: { keyId: string; limits?: KeyLimits };
  /** For the owner's token: its digest. */
  digest?: string;
  /** Epoch milliseconds; absent: it never expires. */
  expiresAt?: number;
}

/** Whether a principal's access was revoked. `deviceId`: that of a connection. */
export type IsVoid = (principal: Principal, deviceId: DeviceId | undefined) => boolean;

export const ALL_SCOPES: ReadonlySet<Scope> = new Set(SCOPES);

/** By default a person's devices can do everything that concerns only that person. */
export const usualScopes = (role: 'owner' | 'member'): Scope[] =>
  SCOPES.filter((scope) => role === 'owner' || scope !== 'admin');
