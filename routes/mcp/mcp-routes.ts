import { type Request, Router } from 'express';
import { nanoid } from 'nanoid';
import type { Scope } from '../../protocol/access.js';
import type { McpMessage, McpMessageId } from '../../protocol/mcp-message.js';
import type { Principal } from '../../services/identity/principal.js';
import { readBody, readQuery, requirePrincipal } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';
import { answerMessage } from './answer-message.js';
import { type CallKey, OpenCalls } from './open-calls.js';

const SESSION = 'Mcp-Session-Id';

/**
 * `/mcp`: the daemon as an MCP server over Streamable HTTP. Nothing is kept between messages: the id of a session only
 * tells the requests of its client from those of others, so that they can be cancelled, and outlives the daemon.
 */
export function createMcpRoutes(services: RouteServices): Router {
  const calls = new OpenCalls();
  const router = Router();
  router.post('/', async (request, response) => {
    const message = readBody('callMcp', request);
    const principal = narrowed(requirePrincipal(response), readQuery('callMcp', request).scopes);
    const keyOf = (id: McpMessageId): CallKey => ({ principal, protocolSession: sessionOf(request), id });
    if (message.id === undefined) {
      const cancelledId = cancelledBy(message);
      if (cancelledId !== undefined) calls.cancel(keyOf(cancelledId));
      response.status(202).end();
      return;
    }
    if (message.method === 'initialize') response.setHeader(SESSION, nanoid());
    const { cancelled, done } = calls.begin(keyOf(message.id));
    response.once('close', done);
    await answerMessage({ services, response, message, principal, cancelled });
  });
  return router;
}

/** With those of its scopes that the client wants to use. */
function narrowed(principal: Principal, wanted: string | undefined): Principal {
  const scopes = wanted?.split(',') as Scope[] | undefined;
  return scopes ? { ...principal, scopes: new Set(scopes.filter((scope) => principal.scopes.has(scope))) } : principal;
}

function sessionOf({ headers }: Request): string | undefined {
  const given = headers['mcp-session-id'];
  return typeof given === 'string' && given !== '' ? given : undefined;
}

function cancelledBy({ method, params = {} }: McpMessage): McpMessageId | undefined {
  const { requestId: id } = params;
  if (method !== 'notifications/cancelled') return undefined;
  return typeof id === 'string' || typeof id === 'number' ? id : undefined;
}
