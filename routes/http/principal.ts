import type { Response } from 'express';
import type { DeviceId } from '../../protocol/scalars.js';
import type { Caller } from '../../services/commands/command-context.js';
import type { Principal } from '../../services/identity/principal.js';
import type { DeviceRef } from '../../services/ports/records.js';
import { requireScope, unauthorized } from '../access/admission.js';

interface Identified {
  principal: Principal;
  /** Asked each time: while a body is on its way, whoever sends it may be put out. */
  isCurrent: (principal: Principal) => boolean;
}

const identified = new WeakMap<Response, Identified>();

/** Remembers who a request is from. */
export const setPrincipal = (response: Response, who: Identified): void => {
  identified.set(response, who);
};

/** Who the request is from, if it proved it, and was not put out since. */
export function findPrincipal(response: Response): Principal | undefined {
  const found = identified.get(response);
  return found?.isCurrent(found.principal) ? found.principal : undefined;
}

/** Who the request was from when it came, whatever it has done to itself. */
export const findSender = (response: Response): Principal | undefined => identified.get(response)?.principal;

/** Who the request is from. Throws `UNAUTHORIZED`. */
export function requirePrincipal(response: Response): Principal {
  const principal = findPrincipal(response);
  if (principal) return principal;
  throw unauthorized();
}

/** Of requests whose credential is no device's. */
const REST_DEVICE = 'rest' as DeviceId;

/** Whose request it is, as a device of its person. */
export const deviceOf = ({ userId, device }: Principal): DeviceRef => ({
  userId,
  deviceId: device?.deviceId ?? REST_DEVICE,
});

/** Who asks, as use cases know it. A request of REST has no id that makes it run once. */
export const callerOf = (response: Response): Caller => ({
  device: deviceOf(requirePrincipal(response)),
  requestId: null,
});

/** A device of the caller's person. A device speaks for itself; to speak for another takes `admin`. Throws `PERMISSION_DENIED`. */
export function requireDevice(response: Response, deviceId: DeviceId): DeviceRef {
  const principal = requirePrincipal(response);
  if (principal.device && principal.device.deviceId !== deviceId) requireScope(principal, 'admin');
  return { userId: principal.userId, deviceId };
}
