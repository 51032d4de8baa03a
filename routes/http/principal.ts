import type { Response } from 'express';
import type { DeviceId } from '../../protocol/scalars.js';
import type { Principal } from '../../services/identity/principal.js';
import type { DeviceRef } from '../../services/ports/records.js';
import { unauthorized } from '../access/admission.js';

const principals = new WeakMap<Response, Principal>();

/** Remembers who a request is from. */
export const setPrincipal = (response: Response, principal: Principal): void => {
  principals.set(response, principal);
};

/** Who the request is from, if it proved it. */
export const findPrincipal = (response: Response): Principal | undefined => principals.get(response);

/** Who the request is from. Throws `UNAUTHORIZED`. */
export function requirePrincipal(response: Response): Principal {
  const principal = principals.get(response);
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
