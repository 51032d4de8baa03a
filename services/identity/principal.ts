import { SCOPES, type Scope } from '../../protocol/access.js';
import type { DeviceId } from '../../protocol/scalars.js';
import type { UserId } from '../ports/records.js';

/** Who is there, proven by a credential. */
export interface Principal {
  userId: UserId;
  /** By what: the local socket, `AUTH_TOKEN`, the owner's token in the registry, or the credential of a device. */
  credential: 'local' | 'setting' | 'token' | 'device';
  scopes: ReadonlySet<Scope>;
  /** Whose credential it is: `familyId` stands for all tokens that came of one pairing or login. */
  device?: { deviceId: DeviceId; familyId: string };
  /** Of the owner's token: its digest. */
  digest?: string;
  /** Epoch milliseconds; without it, it does not expire. */
  expiresAt?: number;
}

/** Of what a credential lets in: whether it is out from now on. `deviceId`: of a connection. */
export type IsVoid = (principal: Principal, deviceId: DeviceId | undefined) => boolean;

export const ALL_SCOPES: ReadonlySet<Scope> = new Set(SCOPES);

/** Without another word a person's devices may do all that is the person's own matter. */
export const usualScopes = (role: 'owner' | 'member'): Scope[] =>
  SCOPES.filter((scope) => role === 'owner' || scope !== 'admin');
