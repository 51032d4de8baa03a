import type { Request, RequestHandler, Response } from 'express';
import type { RouteRule } from '../../protocol/commands/rest.js';
import { CompanionError, invalid } from '../../protocol/error-codes.js';
import type { Principal } from '../../services/identity/principal.js';
import { requireScope, unauthorized } from '../access/admission.js';
import { networkOf } from '../access/client-address.js';
import { findRoute, methodsAt } from '../access/find-route.js';
import { httpCredential } from '../access/read-credential.js';
import type { RouteServices } from '../route-services.js';
import { auditHttp, auditRoute } from './audit-http.js';
import { setBodyDeadline } from './bodies.js';
import { refuseUnversioned } from './conditional.js';
import { StatusError, setRateLimitHeaders, toCompanionError } from './http-errors.js';
import { setPrincipal, setRule } from './request-context.js';

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
    const place = { path: request.path, isLocal: false };
    try {
      if (principal && request.method === 'OPTIONS') return tellMethods(response, place);
      admit(request, rule, principal);
      refuseUnversioned(request, rule);
    } catch (error) {
      if (principal && rule)
        auditHttp(services, response, { action: 'refused', outcome: toCompanionError(error).code });
      throw error;
    }
    if (rule) {
      setRule(response, rule);
      auditRoute(services, rule, request, response);
    }
    next();
  };

type Place = Parameters<typeof methodsAt>[0];

function tellMethods(response: Response, place: Place): void {
  const methods = methodsAt(place);
  if (methods.length === 0) throw nothingThere();
  response.status(204).set('Allow', methods.join(', ')).end();
}

function admit(request: Request, rule: RouteRule | undefined, principal: Principal | undefined): void {
  const needs = rule?.needs;
  if (needs === 'none' || needs === 'actionToken') return;
  if (!principal) throw unauthorized();
  if (needs === undefined || rule?.local) throw refusalAt(request.method, { path: request.path, isLocal: false });
  requireScope(principal, needs);
}

/** On the local socket: a client that can open it is the owner, and is not counted. */
export const asOwner =
  ({ identity }: RouteServices): RequestHandler =>
  (request, response, next) => {
    const rule = findRoute(request.method, request.path);
    const place = { path: request.path, isLocal: true };
    if (request.method === 'OPTIONS') return tellMethods(response, place);
    if (!rule) throw refusalAt(request.method, place);
    refuseUnversioned(request, rule);
    setRule(response, rule);
    setPrincipal(response, { principal: identity.local, isCurrent: () => true });
    next();
  };

/** Why there is no such route. Only for clients that may know the others. */
function refusalAt(method: string, place: Place): CompanionError {
  const methods = methodsAt(place);
  if (methods.length === 0 || methods.includes(method)) return nothingThere();
  const rule = `must be ${methods.join(', ')}`;
  return new StatusError(405, invalid('method', rule), { Allow: methods.join(', ') });
}

const nothingThere = () => new CompanionError('NOT_FOUND', 'There is nothing at this address.');

/** Where no credential is required, a wrong one counts as none for access, but still as a wrong one for limits. */
async function identify(
  { admission }: RouteServices,
  request: Request,
  rule: RouteRule | undefined,
): Promise<Principal | undefined> {
  if (rule?.path === '/live' || rule?.ownCredential) return undefined;
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
  if (!principal && rule?.needs === 'none' && rule.method === 'POST' && !rule.ownCredential) return;
  const counts = rule?.counts ?? 'reads';
  if (principal) setRateLimitHeaders(response, await admission.limits.takeOf(counts, principal));
  else await admission.limits.take(counts, networkOf(admission.addressOf(request)));
}
