import type { Response } from 'express';
import type { DeviceId } from '../../protocol/scalars.js';
import type { Caller } from '../../services/commands/command-context.js';
import type { Principal } from '../../services/identity/principal.js';
import type { DeviceRef } from '../../services/ports/records.js';
import { requireScope, unauthorized } from '../access/admission.js';

interface Identified {
  principal: Principal;
  /** Checked on each use: the sender can be revoked while its body arrives. */
  isCurrent: (principal: Principal) => boolean;
}

const identified = new WeakMap<Response, Identified>();

/** Stores the principal of a request. */
export const setPrincipal = (response: Response, who: Identified): void => {
  identified.set(response, who);
};

/** The authenticated principal of the request, unless it was revoked since. */
export function findPrincipal(response: Response): Principal | undefined {
  const found = identified.get(response);
  return found?.isCurrent(found.principal) ? found.principal : undefined;
}

/** The principal when the request arrived, even if the request revoked it. */
export const findSender = (response: Response): Principal | undefined => identified.get(response)?.principal;

/** The principal of the request. Throws `UNAUTHORIZED`. */
export function requirePrincipal(response: Response): Principal {
  const principal = findPrincipal(response);
  if (principal) return principal;
  throw unauthorized();
}

/** For requests with a credential that belongs to no device. */
const REST_DEVICE = 'rest' as DeviceId;

/** The request's sender, as a device of its person. */
export const deviceOf = ({ userId, device }: Principal): DeviceRef => ({
  userId,
  deviceId: device?.deviceId ?? REST_DEVICE,
});

/** The caller, as use cases know it. A REST request has no id that makes it run once. */
export const callerOf = (response: Response): Caller => ({
  device: deviceOf(requirePrincipal(response)),
  requestId: null,
});

/**
 * A device of the caller's person. A device acts for itself; acting for another takes `admin`. Throws
 * `PERMISSION_DENIED`.
 */
export function requireDevice(response: Response, deviceId: DeviceId): DeviceRef {
  const principal = requirePrincipal(response);
  if (principal.device && principal.device.deviceId !== deviceId) requireScope(principal, 'admin');
  return { userId: principal.userId, deviceId };
}
