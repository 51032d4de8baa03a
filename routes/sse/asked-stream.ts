import type { Request, Response } from 'express';
import type { SessionId } from '../../protocol/scalars.js';
import type { UserId } from '../../services/ports/records.js';
import { auditHttp } from '../http/audit-http.js';
import { readQuery, requirePrincipal } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';
import { SHOWN_FRAMES } from './event-blocks.js';
import type { BlockView } from './event-sink.js';
import { EventStream } from './event-stream.js';
import { type GivenPosition, givenPosition } from './stream-position.js';

/** A request for an event stream. */
export interface AskedStream {
  services: RouteServices;
  response: Response;
  userId: UserId;
  /** Types of frames. */
  events: readonly string[];
  /** The reader's position, unparsed. */
  given: GivenPosition | undefined;
  /** The journal's. */
  epoch: string;
  /** The local socket counts no connections. */
  isCounted: boolean;
}

export type StreamCommand = 'streamAll' | 'streamSession' | 'streamPrompt';

/** Throws `INVALID_REQUEST` for a malformed query. */
export function readAsked(
  services: RouteServices,
  { command, request, response }: { command: StreamCommand; request: Request; response: Response },
): AskedStream {
  const { deltas, after } = readQuery(command, request);
  const { userId, credential } = requirePrincipal(response);
  return {
    services,
    response,
    userId,
    events: deltas === 'true' ? [...SHOWN_FRAMES, 'streamData'] : SHOWN_FRAMES,
    given: givenPosition(request, after),
    epoch: services.journal.epoch,
    isCounted: credential !== 'local',
  };
}

/** Opens the stream and records that. Throws `RATE_LIMITED`. */
export function openStream(asked: AskedStream, view: BlockView, sessionId?: SessionId): EventStream {
  const { services, response, isCounted } = asked;
  const stream = new EventStream({ services, response, view, isCounted });
  auditHttp(services, response, { action: 'read', ...(sessionId !== undefined && { sessionId }) });
  return stream;
}
