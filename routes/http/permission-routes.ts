import { type Request, type RequestHandler, type Response, Router } from 'express';
import type { z } from 'zod';
import type { ClientData } from '../../protocol/client-frames.js';
import { CompanionError } from '../../protocol/error-codes.js';
import { answerByTokenSchema, answerPermissionSchema } from '../../protocol/push.js';
import { type PermissionId, permissionIdSchema, type SessionId, sessionIdSchema } from '../../protocol/scalars.js';
import { answerPermission } from '../../services/commands/session.js';
import type { Principal } from '../../services/identity/principal.js';
import type { DeviceRef, PermissionRecord } from '../../services/ports/records.js';
import { requireScope } from '../access/admission.js';
import type { RouteServices } from '../route-services.js';
import { auditHttp } from './audit-http.js';
import { toCompanionError } from './http-errors.js';
import { parseInput } from './parse-input.js';
import { deviceOf, findPrincipal, requirePrincipal } from './principal.js';
import { readJson } from './read-json.js';
import { replied } from './replied.js';

/** The sender may have no credential. */
const BODY_LIMIT = '16kb';
const CREDENTIALED_LIMIT = '1mb';

interface Answered {
  by: DeviceRef;
  done: PermissionRecord;
}

interface Place {
  sessionId: SessionId;
  permissionId: PermissionId;
}

const readCredentialed = readJson(CREDENTIALED_LIMIT);
const readOthers = readJson(BODY_LIMIT);

/** `/api/sessions/:id/permissions/:permissionId`: answers a request with a credential, or with a token of a push. */
export function createPermissionRoutes(services: RouteServices): Router {
  const { push, admission } = services;
  const router = Router();
  const read: RequestHandler = (request, response, next) =>
    (findPrincipal(response) ? readCredentialed : readOthers)(request, response, next);

  router.post('/:id/permissions/:permissionId', read, async (request, response) => {
    const byToken = hasToken(request.body);
    if (!byToken) approver(response);
    const place = {
      sessionId: parseInput(sessionIdSchema, request.params.id, 'id'),
      permissionId: parseInput(permissionIdSchema, request.params.permissionId, 'permissionId'),
    };
    const answered = byToken
      ? answerByToken(request, place, parseInput(answerByTokenSchema, request.body, 'body'))
      : decide(deviceOf(approver(response)), { ...parseInput(answerPermissionSchema, request.body, 'body'), ...place });
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
    const found = await push.findByToken({ ...place, response, token });
    if (!found) {
      await admission.failed('action', request);
      throw new CompanionError('UNAUTHORIZED', 'The token is not valid for this answer to this request.');
    }
    const answered = await decide(found.device, { ...place, response, remember: false });
    push.answered(found, response);
    return answered;
  }

  async function decide(by: DeviceRef, answer: ClientData<'permission'>): Promise<Answered> {
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
