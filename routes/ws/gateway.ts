import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { nanoid } from 'nanoid';
import { WebSocketServer } from 'ws';
import { CLOSE, CompanionError, ERROR_STATUS, invalid } from '../../protocol/error-codes.js';
import { MAX_CLIENT_FRAME_BYTES } from '../../protocol/limits.js';
import { type DeviceId, deviceIdSchema } from '../../protocol/scalars.js';
import type { Principal } from '../../services/identity/identity.js';
import { queryOf, upgradeCredential } from '../access/read-credential.js';
import { errorBody, readRequestId } from '../http/http-errors.js';
import type { RouteServices } from '../route-services.js';
import { Heartbeats } from './heartbeats.js';
import { SocketConnection } from './socket-connection.js';
import { TickWriter } from './tick-writer.js';

const SUBPROTOCOL = 'companion.v1';
/** A client that does not answer a close within this time is cut off. */
const CLOSE_GRACE_MS = 400;

export interface Gateway {
  /** Takes an HTTP upgrade; `local` comes from the socket that only the owner can open. */
  upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void;
  /** Closes every connection with this code. */
  close(code: number, reason: string): void;
  /** Closes the connections that were let in by a token which is void now. */
  revokeToken(): void;
}

export function createGateway(services: RouteServices, { local }: { local: boolean }): Gateway {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_CLIENT_FRAME_BYTES,
    perMessageDeflate: false,
    clientTracking: false,
    handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  });
  const connections = new Set<SocketConnection>();
  const shared = { services, connections, writer: new TickWriter(), heartbeats: new Heartbeats() };
  return {
    upgrade: (request, stream, head) => {
      stream.on('error', () => stream.destroy());
      try {
        const principal = local ? services.identity.owner : admit(services, request);
        const deviceId = readDeviceId(request);
        server.handleUpgrade(request, stream, head, (webSocket) => {
          const device = { userId: principal.userId, deviceId };
          new SocketConnection({ ...shared, webSocket, socket: stream as Socket, principal, device });
        });
      } catch (error) {
        refuse({ stream, requestId: readRequestId(request), thrown: error });
      }
    },
    revokeToken: () => {
      for (const connection of connections) {
        if (connection.principal.credential === 'token') connection.expel(CLOSE.credentialRevoked, 'the token is void');
      }
    },
    close: (code, reason) => {
      for (const connection of connections) connection.close(code, reason);
      server.close();
      setTimeout(() => {
        for (const connection of connections) connection.terminate();
      }, CLOSE_GRACE_MS).unref();
    },
  };
}

/** Who wants in. Nothing is allocated for anybody before this. */
function admit({ identity, hostPolicy, queryToken }: RouteServices, request: IncomingMessage): Principal {
  if (!hostPolicy.allows(request)) throw new CompanionError('PERMISSION_DENIED', 'This host or origin is not allowed.');
  if (request.url?.split('?')[0] !== '/ws') {
    throw new CompanionError('NOT_FOUND', 'WebSockets are served at /ws.');
  }
  const token = upgradeCredential({ request, queryToken });
  const principal = token === undefined ? undefined : identity.authenticate(token);
  if (!principal) throw new CompanionError('UNAUTHORIZED', 'A valid credential is needed.');
  return principal;
}

/** The name that the client gives its device, or a new one. */
function readDeviceId(request: IncomingMessage): DeviceId {
  const header = request.headers['x-device-id'];
  const given = queryOf(request).get('deviceId') ?? (typeof header === 'string' ? header : undefined);
  if (given === undefined) return nanoid() as DeviceId;
  const parsed = deviceIdSchema.safeParse(given);
  if (!parsed.success) throw invalid('deviceId', parsed.error.issues[0]?.message ?? 'is not valid');
  return parsed.data;
}

const STATUS_TEXT: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
};

interface Refusal {
  stream: Duplex;
  requestId: string;
  thrown: unknown;
}

function refuse({ stream, requestId, thrown }: Refusal): void {
  const error =
    thrown instanceof CompanionError
      ? thrown
      : new CompanionError('INTERNAL_ERROR', 'The upgrade could not be served.');
  const status = ERROR_STATUS[error.code];
  const body = JSON.stringify(errorBody(error, requestId));
  const head = [
    `HTTP/1.1 ${status} ${STATUS_TEXT[status] ?? 'Error'}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${requestId}`,
    'Connection: close',
  ];
  // Whoever keeps its own half open would keep the socket.
  stream.once('finish', () => stream.destroy());
  stream.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
