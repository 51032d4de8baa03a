import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type PerMessageDeflateOptions, type ServerOptions, WebSocketServer } from 'ws';
import { CLOSE, CompanionError, ERROR_STATUS, invalid } from '../../protocol/error-codes.js';
import { MAX_CLIENT_FRAME_BYTES } from '../../protocol/limits.js';
import { PLAIN } from '../../protocol/parse-client-frame.js';
import { type DeviceId, deviceIdSchema } from '../../protocol/scalars.js';
import type { IsVoid, Principal } from '../../services/identity/principal.js';
import { newId } from '../../services/model/new-id.js';
import type { Log } from '../../services/ports/log.js';
import type { DeviceRef } from '../../services/ports/records.js';
import { requireScope, unauthorized } from '../access/admission.js';
import { queryOf, upgradeCredential } from '../access/read-credential.js';
import { errorBody, readRequestId } from '../http/http-errors.js';
import { countStranger } from '../http/stranger-limits.js';
import type { RouteServices } from '../route-services.js';
import { requireConnectionRoom, requireKeyRoom } from '../sse/event-streams.js';
import { PER_MESSAGE_DEFLATE } from './compressed-sink.js';
import { Heartbeats } from './heartbeats.js';
import { SocketConnection } from './socket-connection.js';
import { TickWriter } from './tick-writer.js';

const SUBPROTOCOL = 'companion.v1';
const SERVER: ServerOptions = {
  noServer: true,
  maxPayload: MAX_CLIENT_FRAME_BYTES,
  clientTracking: false,
  handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
};
/** A client that does not answer a close within this time is disconnected. */
const CLOSE_GRACE_MS = 400;
const SECOND_MS = 1000;

export interface Gateway {
  /** Handles an HTTP upgrade; `local` comes from the socket that only the owner can open. */
  upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void;
  /** Closes every connection with this code. */
  close(code: number, reason: string): void;
  /** Ends the connections whose credential is now invalid. */
  expel(isVoid: IsVoid): void;
}

const CREDENTIAL_VOID = 'the credential is revoked or expired';

export function createGateway(services: RouteServices, { local }: { local: boolean }): Gateway {
  const serverOf = (perMessageDeflate: false | PerMessageDeflateOptions) => {
    const made = new WebSocketServer({ ...SERVER, perMessageDeflate });
    // Errors of the upgrade itself.
    made.on('wsClientError', (error, stream, request) => {
      refuse({ log: services.log, stream, request, thrown: invalid('upgrade', error.message) });
    });
    return made;
  };
  const [server, compressing] = [serverOf(false), serverOf(PER_MESSAGE_DEFLATE)];
  const mayCompress = () =>
    [...connections].filter(({ isCompressed }) => isCompressed).length < services.compressedConnections;
  const connections = new Set<SocketConnection>();
  const lingering = new Set<SocketConnection>();
  /** For each upgrade in progress: the revocations since its start. */
  const underWay = new Set<IsVoid[]>();
  const shared = { services, connections, lingering, writer: new TickWriter(), heartbeats: new Heartbeats() };
  return {
    upgrade: (request, stream, head) => {
      // The client has disconnected, so there is no one to answer.
      stream.on('error', () => stream.destroy());
      const opened = async () => {
        const revoked: IsVoid[] = [];
        underWay.add(revoked);
        const admitted = local ? services.identity.local : admit(services, request);
        const principal = await Promise.resolve(admitted).finally(() => underWay.delete(revoked));
        const named = { ...readDevice(request, principal), ...traceOf(services, request) };
        const { device } = named;
        if (revoked.some((isVoid) => isVoid(principal, device.deviceId))) throw unauthorized();
        if (!local) {
          requireWelcome(services, principal, device);
          requireRoom(services, connections, { principal, device });
        }
        (mayCompress() ? compressing : server).handleUpgrade(request, stream, head, (webSocket) => {
          const address = local ? 'local' : services.admission.addressOf(request);
          new SocketConnection({ ...shared, ...named, webSocket, socket: stream as Socket, principal, address });
        });
      };
      opened().catch((error: unknown) => refuse({ log: services.log, stream, request, thrown: error }));
    },
    expel: (isVoid) => {
      for (const revoked of underWay) revoked.push(isVoid);
      for (const connection of [...connections, ...lingering]) {
        const { principal, device } = connection;
        if (isVoid(principal, device.deviceId)) connection.expel(CLOSE.credentialRevoked, CREDENTIAL_VOID);
      }
    },
    close: (code, reason) => {
      for (const connection of connections) connection.close(code, reason);
      for (const one of [server, compressing]) one.close();
      setTimeout(() => {
        for (const connection of connections) connection.terminate();
      }, CLOSE_GRACE_MS).unref();
    },
  };
}

/** Kept for as long as the connection lasts. */
const traceOf = ({ tracing }: RouteServices, { headers: { traceparent, tracestate } }: IncomingMessage) => ({
  trace: tracing && { traceparent, tracestate },
});

/** Authenticates an upgrade. No resources are allocated before this. */
async function admit(services: RouteServices, request: IncomingMessage): Promise<Principal> {
  const { admission, hostPolicy, queryToken } = services;
  if (!hostPolicy.allows(request)) {
    await countStranger(services, request);
    throw new CompanionError('PERMISSION_DENIED', 'This host or origin is not allowed.');
  }
  if (request.url?.split('?')[0] !== '/ws') {
    throw new CompanionError('NOT_FOUND', 'WebSockets are served at /ws.');
  }
  const principal = await admission.authenticate(upgradeCredential({ request, queryToken }), request);
  if (!principal) {
    await countStranger(services, request);
    throw unauthorized();
  }
  await admission.limits.takeOf('reads', principal);
  return principal;
}

/**
 * A revoked device cannot reconnect under its id with a credential that is not its own, and a key cannot take the place
 * of a device that has one.
 */
function requireWelcome({ identity }: RouteServices, principal: Principal, device: DeviceRef): void {
  if (principal.device) return;
  if (principal.key && identity.devices.isPaired(device)) requireScope(principal, 'admin');
  if (!identity.devices.isRevoked(device)) return;
  throw unauthorized('The device was revoked. It comes back when it is paired again under its deviceId.');
}

/** A device's new connection replaces its earlier one. */
function requireRoom(
  { admission, eventStreams }: RouteServices,
  connections: Set<SocketConnection>,
  { principal: { key }, device: { userId, deviceId } }: { principal: Principal; device: DeviceRef },
) {
  const others = [...connections].filter(({ device }) => device.userId === userId && device.deviceId !== deviceId);
  requireConnectionRoom(others.length + eventStreams.countOf(userId), admission.limits.settings.connections);
  const ofKey = others.filter(({ principal }) => key !== undefined && principal.key?.keyId === key.keyId);
  requireKeyRoom(key, ofKey.length);
}

function readDevice(request: IncomingMessage, principal: Principal): { device: DeviceRef; isNameless: boolean } {
  const named = readDeviceId(request, principal);
  const device = { userId: principal.userId, deviceId: named ?? (newId() as DeviceId) };
  return { device, isNameless: named === undefined };
}

/** The device of the credential; else the id that the client gives its device, if any. */
function readDeviceId(request: IncomingMessage, { device }: Principal): DeviceId | undefined {
  const header = request.headers['x-device-id'];
  const queried = queryOf(request).getAll('deviceId');
  if (queried.length > 1) throw invalid('deviceId', 'must be given once');
  const given = queried[0] ?? (typeof header === 'string' ? header : undefined);
  if (given === undefined) return device?.deviceId;
  const parsed = deviceIdSchema.safeParse(given, PLAIN);
  if (!parsed.success) throw invalid('deviceId', parsed.error.issues[0]?.message ?? 'is not valid');
  if (device && device.deviceId !== parsed.data) {
    const rule = 'must be the device of the credential';
    throw new CompanionError('PERMISSION_DENIED', `deviceId: ${rule}`, { field: 'deviceId', rule });
  }
  return parsed.data;
}

const UNEXPECTED = 'Something went wrong in the daemon; its log has this request id.';

const STATUS_TEXT: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  429: 'Too Many Requests',
};

interface Refusal {
  log: Log;
  stream: Duplex;
  request: IncomingMessage;
  thrown: unknown;
}

/** An unexpected error is logged with its request id, and reported without its text. */
function refuse({ log, stream, request, thrown }: Refusal): void {
  const requestId = readRequestId(request);
  const isExpected = thrown instanceof CompanionError;
  const error = isExpected ? thrown : new CompanionError('INTERNAL_ERROR', UNEXPECTED);
  const status = ERROR_STATUS[error.code];
  // There can be thousands a second.
  if (isExpected) log.debug('an upgrade was refused', { requestId, status });
  else log.error('an upgrade failed', { requestId, error: stackOf(thrown) });
  const { retryAfterMs } = error.details ?? {};
  const body = JSON.stringify(errorBody(error, requestId));
  const head = [
    `HTTP/1.1 ${status} ${STATUS_TEXT[status] ?? 'Error'}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${requestId}`,
    'Connection: close',
    ...(retryAfterMs === undefined ? [] : [`Retry-After: ${Math.ceil(retryAfterMs / SECOND_MS)}`]),
  ];
  // A client that keeps its half open would keep the socket.
  stream.once('finish', () => stream.destroy());
  stream.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

const stackOf = (thrown: unknown): string =>
  thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
