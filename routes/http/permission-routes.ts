import express, { Router } from 'express';
import { CompanionError } from '../../protocol/error-codes.js';
import { answerPermissionSchema } from '../../protocol/push.js';
import { type PermissionId, permissionIdSchema, type SessionId, sessionIdSchema } from '../../protocol/scalars.js';
import type { PushRecord } from '../../services/ports/outbox.js';
import type { UserId } from '../../services/ports/records.js';
import type { RouteServices } from '../route-services.js';
import { parseInput } from './parse-input.js';
import { findPrincipal, requirePrincipal } from './principal.js';

/** An answer by a credential comes from no device of its own. */
const REST_DEVICE = 'rest';

/** Whoever sends it may have no credential. */
const BODY_LIMIT = '16kb';

interface Answerer {
  userId: UserId;
  deviceId: string;
  /** The push whose button it was. */
  push?: PushRecord;
}

interface Question {
  sessionId: SessionId;
  permissionId: PermissionId;
  response: string;
}

/** `/api/sessions/:id/permissions/:permissionId`: answers a request with a credential, or with a token of a push. */
export function createPermissionRoutes({ registry, push }: RouteServices): Router {
  const router = Router();
  router.post('/:id/permissions/:permissionId', express.json({ limit: BODY_LIMIT }), async (request, response) => {
    if (!hasToken(request.body)) requirePrincipal(response);
    const { actionToken, response: decision } = parseInput(answerPermissionSchema, request.body, 'body');
    const question = {
      sessionId: parseInput(sessionIdSchema, request.params.id, 'id'),
      permissionId: parseInput(permissionIdSchema, request.params.permissionId, 'permissionId'),
      response: decision,
    };
    const principal = findPrincipal(response);
    const answerer =
      actionToken === undefined && principal
        ? { userId: principal.userId, deviceId: REST_DEVICE }
        : await findAnswerer(question, actionToken);
    const session = registry.require(answerer.userId, question.sessionId);
    const { deviceId } = answerer;
    await session.answerPermission(
      { answer: { ...question, remember: false }, deviceId },
      ({ permissionId, decision }) => response.json({ success: true, permissionId, decision }),
    );
    if (answerer.push) push.answered(answerer.push);
  });
  return router;

  async function findAnswerer(question: Question, token: string | undefined): Promise<Answerer> {
    const found = token === undefined ? undefined : await push.findByToken({ ...question, token });
    if (!found) throw new CompanionError('UNAUTHORIZED', 'The token is not valid for this answer to this request.');
    return { ...found.device, push: found };
  }
}

const hasToken = (body: unknown): boolean =>
  typeof body === 'object' && body !== null && 'actionToken' in body && typeof body.actionToken === 'string';
