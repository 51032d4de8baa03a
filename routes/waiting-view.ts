import type { WaitingSession } from '../protocol/waiting.js';
import { boundPermission } from '../services/delivery/frames.js';
import type { DeviceRef } from '../services/ports/records.js';
import type { Session } from '../services/sessions/session.js';
import { waitingView } from '../services/sessions/session-view.js';
import type { RouteServices } from './route-services.js';

/** Byte limits for a single session by its id, and for each session in a list. */
const MAX_PERMISSION_BYTES = { one: 256 * 1024, listed: 8 * 1024 };

/** What waits in a session, as clients are shown it; a request that was cut is marked as `truncated`. */
export function shownWaiting(
  { delivery }: Pick<RouteServices, 'delivery'>,
  session: Session,
  as: keyof typeof MAX_PERMISSION_BYTES,
): WaitingSession {
  const isConnected = (device: DeviceRef) => delivery.isConnected(device);
  const view = waitingView(session, isConnected);
  const share = Math.floor(MAX_PERMISSION_BYTES[as] / Math.max(1, view.permissions.length));
  return { ...view, permissions: view.permissions.map((one) => boundPermission(one, share)) };
}

export const isWaiting = ({ permissions, promptCount }: WaitingSession): boolean =>
  permissions.length + promptCount > 0;
