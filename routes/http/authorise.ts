import type { Request, RequestHandler, Response } from 'express';
import type { RouteRule } from '../../protocol/commands.js';
import { CompanionError } from '../../protocol/error-codes.js';
import type { Principal } from '../../services/identity/principal.js';
import { requireScope, unauthorized } from '../access/admission.js';
import { networkOf } from '../access/client-address.js';
import { findRoute } from '../access/find-route.js';
import { httpCredential } from '../access/read-credential.js';
import type { RouteServices } from '../route-services.js';
import { auditHttp, auditRoute } from './audit-http.js';
import { setBodyDeadline } from './body-deadline.js';
import { toCompanionError } from './http-errors.js';
import { setPrincipal } from './principal.js';
import { setRateLimitHeaders } from './rate-limit-headers.js';

/**
 * Lets a request through to its route when the route's rule allows it, before a body is read. What has no rule is not
 * there; a stranger is not told so.
 */
export const authorise =
  (services: RouteServices): RequestHandler =>
  async (request, response, next) => {
    const rule = findRoute(request.method, request.path);
    const principal = await identify(services, request, rule);
    await count(services, { request, response, principal, rule });
    if (principal) setPrincipal(response, { principal, isCurrent: (one) => services.identity.isCurrent(one) });
    else setBodyDeadline(request);
    try {
      admit(rule, principal);
    } catch (error) {
      if (principal && rule)
        auditHttp(services, response, { action: 'refused', outcome: toCompanionError(error).code });
      throw error;
    }
    if (rule) auditRoute(services, rule, request, response);
    next();
  };

function admit(rule: RouteRule | undefined, principal: Principal | undefined): void {
  const needs = rule?.needs;
  if (needs === 'nobody' || needs === 'actionToken') return;
  if (!principal) throw unauthorized();
  if (needs === undefined || rule?.local) throw nothingThere();
  requireScope(principal, needs);
}

/** On the local socket: whoever can open it is the owner, and counts for nothing. */
export const asOwner =
  ({ identity }: RouteServices): RequestHandler =>
  (request, response, next) => {
    if (!findRoute(request.method, request.path)) throw nothingThere();
    setPrincipal(response, { principal: identity.local, isCurrent: () => true });
    next();
  };

const nothingThere = () => new CompanionError('NOT_FOUND', 'There is nothing at this address.');

/** Where nobody needs a credential, one that is not good is as none; it counts all the same. */
async function identify(
  { admission }: RouteServices,
  request: Request,
  rule: RouteRule | undefined,
): Promise<Principal | undefined> {
  if (rule?.path === '/live') return undefined;
  try {
    return await admission.authenticate(httpCredential(request), request);
  } catch (error) {
    const isRefused = error instanceof CompanionError && error.code === 'UNAUTHORIZED';
    if (isRefused && (rule?.needs === 'nobody' || rule?.needs === 'actionToken')) return undefined;
    throw error;
  }
}

interface Counting {
  request: Request;
  response: Response;
  principal: Principal | undefined;
  rule: RouteRule | undefined;
}

/**
 * People by who they are, whatever address they share; strangers by their address. Who comes for a credential is counted
 * when what they bring is wrong: behind one proxy nobody is kept from it by others.
 */
async function count({ admission }: RouteServices, { request, response, principal, rule }: Counting): Promise<void> {
  if (!principal && rule?.needs === 'nobody' && rule.method === 'POST') return;
  const who = principal?.userId ?? networkOf(admission.addressOf(request));
  const allowance = await admission.limits.take(rule?.counts ?? 'reads', who);
  if (principal) setRateLimitHeaders(response, allowance);
}
