import { Router } from 'express';
import { listWaitingSchema, type Waiting, type WaitingSession } from '../../protocol/waiting.js';
import { boundPermission } from '../../services/delivery/frames.js';
import type { DeviceRef } from '../../services/ports/records.js';
import type { Session } from '../../services/sessions/session.js';
import { waitingView } from '../../services/sessions/waiting-view.js';
import type { RouteServices } from '../route-services.js';
import { parseInput } from './parse-input.js';
import { requirePrincipal } from './principal.js';

/** Byte limits for a single session by its id, and for each session in a list. */
const MAX_PERMISSION_BYTES = { one: 256 * 1024, listed: 8 * 1024 };

/** `/api/waiting`: the caller's open permission requests, and the prompts that run or wait. */
export function createWaitingRoutes({ registry, delivery }: RouteServices): Router {
  const router = Router();
  const isConnected = (device: DeviceRef) => delivery.isConnected(device);

  router.get('/', (request, response) => {
    const { userId } = requirePrincipal(response);
    const { sessionId } = parseInput(listWaitingSchema, request.query, 'query');
    const max = sessionId === undefined ? MAX_PERMISSION_BYTES.listed : MAX_PERMISSION_BYTES.one;
    const view = (session: Session) => bounded(waitingView(session, isConnected), max);
    const asked = sessionId === undefined ? registry.owned(userId) : [registry.require(userId, sessionId)];
    const sessions = asked.map(view).filter((one) => sessionId !== undefined || isWaiting(one));
    response.json({ sessions } satisfies Waiting);
  });
  return router;
}

const isWaiting = ({ permissions, promptCount }: WaitingSession): boolean => permissions.length + promptCount > 0;

/** A request that was cut is marked as `truncated`. */
function bounded(view: WaitingSession, max: number): WaitingSession {
  const share = Math.floor(max / Math.max(1, view.permissions.length));
  return { ...view, permissions: view.permissions.map((one) => boundPermission(one, share)) };
}
