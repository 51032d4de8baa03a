import { type RequestHandler, type Response, Router } from 'express';
import type { z } from 'zod';
import type { ClientData } from '../../protocol/client-frames.js';
import { CompanionError } from '../../protocol/error-codes.js';
import { answerByTokenSchema, answerPermissionSchema } from '../../protocol/push.js';
import { type PermissionId, permissionIdSchema, type SessionId, sessionIdSchema } from '../../protocol/scalars.js';
import type { Principal } from '../../services/identity/principal.js';
import type { PermissionRecord, UserId } from '../../services/ports/records.js';
import { requireScope } from '../access/admission.js';
import type { RouteServices } from '../route-services.js';
import { auditHttp } from './audit-http.js';
import { parseInput } from './parse-input.js';
import { deviceOf, findPrincipal, requirePrincipal } from './principal.js';
import { readJson } from './read-json.js';

/** Whoever sends it may have no credential. */
const BODY_LIMIT = '16kb';
const CREDENTIALED_LIMIT = '1mb';

interface Answerer {
  userId: UserId;
  deviceId: string;
}

interface Place {
  sessionId: SessionId;
  permissionId: PermissionId;
}

const readCredentialed = readJson(CREDENTIALED_LIMIT);
const readOthers = readJson(BODY_LIMIT);

/** `/api/sessions/:id/permissions/:permissionId`: answers a request with a credential, or with a token of a push. */
export function createPermissionRoutes(services: RouteServices): Router {
  const { registry, push } = services;
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
    const done = byToken
      ? await answerByToken(place, parseInput(answerByTokenSchema, request.body, 'body'))
      : await answerAs(approver(response), place, parseInput(answerPermissionSchema, request.body, 'body'));
    response.json({ success: true, permissionId: done.permissionId, decision: done.decision });
    auditHttp(services, response, {
      action: 'approve',
      ...place,
      ...(done.byDeviceId !== undefined && { deviceId: done.byDeviceId }),
    });
  });
  return router;

  async function answerByToken(
    place: Place,
    { response, actionToken: token }: z.infer<typeof answerByTokenSchema>,
  ): Promise<PermissionRecord> {
    const found = await push.findByToken({ ...place, response, token });
    if (!found) throw new CompanionError('UNAUTHORIZED', 'The token is not valid for this answer to this request.');
    const done = await decide(found.device, { ...place, response, remember: false });
    push.answered(found, response);
    return done;
  }

  async function answerAs(
    principal: Principal,
    place: Place,
    answer: z.infer<typeof answerPermissionSchema>,
  ): Promise<PermissionRecord> {
    return decide(deviceOf(principal), { ...answer, ...place });
  }

  async function decide({ userId, deviceId }: Answerer, answer: ClientData<'permission'>): Promise<PermissionRecord> {
    const session = registry.require(userId, answer.sessionId);
    return new Promise((resolve, reject) => {
      session.answerPermission({ answer, deviceId }, resolve).catch(reject);
    });
  }
}

function approver(response: Response): Principal {
  const principal = requirePrincipal(response);
  requireScope(principal, 'approve');
  return principal;
}

const hasToken = (body: unknown): boolean =>
  typeof body === 'object' && body !== null && 'actionToken' in body && typeof body.actionToken === 'string';
