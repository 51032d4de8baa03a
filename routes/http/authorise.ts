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
 * Passes a request to its route when the route's rule permits it, before a body is read. Without a rule there is no
 * route; an unknown client does not learn that.
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
  if (needs === 'none' || needs === 'actionToken') return;
  if (!principal) throw unauthorized();
  if (needs === undefined || rule?.local) throw nothingThere();
  requireScope(principal, needs);
}

/** On the local socket: a client that can open it is the owner, and is not counted. */
export const asOwner =
  ({ identity }: RouteServices): RequestHandler =>
  (request, response, next) => {
    if (!findRoute(request.method, request.path)) throw nothingThere();
    setPrincipal(response, { principal: identity.local, isCurrent: () => true });
    next();
  };

const nothingThere = () => new CompanionError('NOT_FOUND', 'There is nothing at this address.');

/** Where no credential is required, a wrong one counts as none for access, but still as a wrong one for limits. */
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
    if (isRefused && (rule?.needs === 'none' || rule?.needs === 'actionToken')) return undefined;
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
 * Counts people by identity, whatever address they share; unknown clients by address. A request for a credential is
 * counted only when it fails: behind one proxy, others do not block it.
 */
async function count({ admission }: RouteServices, { request, response, principal, rule }: Counting): Promise<void> {
  if (!principal && rule?.needs === 'none' && rule.method === 'POST') return;
  const who = principal?.userId ?? networkOf(admission.addressOf(request));
  const allowance = await admission.limits.take(rule?.counts ?? 'reads', who);
  if (principal) setRateLimitHeaders(response, allowance);
}
