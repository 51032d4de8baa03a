import { type Request, type Response, Router } from 'express';
import type { z } from 'zod';
import type { ClientData } from '../../protocol/client-frames.js';
import { CompanionError } from '../../protocol/error-codes.js';
import type { OpenPermissions } from '../../protocol/prompts.js';
import { answerByTokenSchema } from '../../protocol/push.js';
import type { RememberedList } from '../../protocol/rest.js';
import { type PermissionId, permissionIdSchema, type SessionId, sessionIdSchema } from '../../protocol/scalars.js';
import {
  answerPermission,
  requireNotifiable,
  type TakenBack,
  takeBackRemembered,
} from '../../services/commands/session.js';
import { boundPermission } from '../../services/delivery/frames.js';
import type { Principal } from '../../services/identity/principal.js';
import type { DeviceRef, PermissionRecord } from '../../services/ports/records.js';
import { rememberedView } from '../../services/sessions/machine/remembered-grants.js';
import type { Session } from '../../services/sessions/session.js';
import { waitingView } from '../../services/sessions/session-view.js';
import { requireScope } from '../access/admission.js';
import { auditHttp } from '../http/audit-http.js';
import { toCompanionError } from '../http/http-errors.js';
import { callerOf, deviceOf, parseInput, readBody, replied, requirePrincipal } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';

interface Answered {
  by: DeviceRef;
  done: PermissionRecord;
}

interface Place {
  sessionId: SessionId;
  permissionId: PermissionId;
}

/** `/api/sessions/:id/permissions/:permissionId`: answers a request with a credential, or with a token of a push. */
export function createPermissionRoutes(services: RouteServices): Router {
  const { push, admission } = services;
  const router = Router();

  router.post('/:id/permissions/:permissionId', async (request, response) => {
    const byToken = hasToken(request.body);
    if (!byToken) approver(response);
    const place = {
      sessionId: parseInput(sessionIdSchema, request.params.id, 'id'),
      permissionId: parseInput(permissionIdSchema, request.params.permissionId, 'permissionId'),
    };
    const answered = byToken
      ? answerByToken(request, place, parseInput(answerByTokenSchema, request.body, 'body'))
      : decide(deviceOf(approver(response)), { ...readBody('answerPermission', request), ...place });
    const said = { action: 'approve', ...place } as const;
    const { by, done } = await answered.catch((error: unknown) => {
      auditHttp(services, response, { ...said, outcome: toCompanionError(error).code });
      throw error;
    });
    auditHttp(services, response, { ...said, ...by });
    response.json({ success: true, permissionId: done.permissionId, decision: done.decision });
  });
  return router;

  async function answerByToken(
    request: Request,
    place: Place,
    { response, actionToken: token }: z.infer<typeof answerByTokenSchema>,
  ): Promise<Answered> {
    const found = push.findByToken({ ...place, response, token });
    if (!found) {
      if (push.holdsToken({ ...place, token })) requireNotifiable(services, { ...place, response });
      await admission.failed('action', request);
      throw new CompanionError('UNAUTHORIZED', 'The token is not valid for this answer to this request.');
    }
    const answered = await decide(found.device, { ...place, response, remember: false, inOneTap: true });
    push.answered(found, response);
    return answered;
  }

  async function decide(by: DeviceRef, answer: ClientData<'permission'> & { inOneTap?: boolean }): Promise<Answered> {
    const input = { caller: { device: by, requestId: null }, ...answer };
    const done = await replied<PermissionRecord>((reply) => answerPermission(services, input, reply));
    return { by, done };
  }
}

function approver(response: Response): Principal {
  const principal = requirePrincipal(response);
  requireScope(principal, 'approve');
  return principal;
}

const hasToken = (body: unknown): boolean =>
  typeof body === 'object' && body !== null && 'actionToken' in body && typeof body.actionToken === 'string';

/** Bytes of a list of open requests. */
const MAX_OPEN_BYTES = 256 * 1024;

/** `GET /api/sessions/:id/permissions`: the open requests, each within its share of what a list may have. */
export function createOpenPermissionRoutes({ registry }: RouteServices): Router {
  const router = Router();
  router.get('/:id/permissions', (request, response) => {
    const session = registry.require(requirePrincipal(response).userId, request.params.id as SessionId);
    const { permissions } = waitingView(session, () => false);
    const share = Math.floor(MAX_OPEN_BYTES / Math.max(1, permissions.length));
    response.json({ permissions: permissions.map((one) => boundPermission(one, share)) } satisfies OpenPermissions);
  });
  return router;
}

/** `/api/sessions/:id/remembered`: lists remembered permissions, and revokes them. */
export function createRememberedRoutes(services: RouteServices): Router {
  const { registry } = services;
  const router = Router();

  router.get('/:id/remembered', (request, response) => {
    const session = registry.require(requirePrincipal(response).userId, request.params.id as SessionId);
    response.json(listOf(session));
  });

  router.delete(['/:id/remembered', '/:id/remembered/:rememberedId'], async (request, response) => {
    const { id, rememberedId } = request.params as { id: string; rememberedId?: string };
    const input = {
      caller: callerOf(response),
      sessionId: id as SessionId,
      ...(rememberedId !== undefined && { rememberedId }),
    };
    const { session, taken } = await replied<TakenBack>((reply) => takeBackRemembered(services, input, reply));
    response.json({ success: true, removed: taken.length, ...listOf(session) });
  });
  return router;
}

function listOf({ state: { record } }: Session): RememberedList {
  const { remembered = [], permissionMode } = record;
  return { remembered: remembered.map(rememberedView), ...(permissionMode !== undefined && { permissionMode }) };
}
