import type { RequestHandler, Response } from 'express';
import { CompanionError } from '../../protocol/error-codes.js';
import type { Principal } from '../../services/identity/identity.js';

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
  throw new CompanionError('UNAUTHORIZED', 'A valid credential is needed.', {
    suggestion: 'Send it as Authorization: Bearer or x-api-key.',
  });
}

/** Lets nobody past without a credential. */
export const authenticated: RequestHandler = (_request, response, next) => {
  requirePrincipal(response);
  next();
};
