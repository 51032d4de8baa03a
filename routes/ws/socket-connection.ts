import type { Socket } from 'node:net';
import { nanoid } from 'nanoid';
import type { WebSocket } from 'ws';
import { CLOSE } from '../../protocol/error-codes.js';
import { HEARTBEAT_MS, PROTOCOL_VERSION } from '../../protocol/limits.js';
import { parseClientFrame } from '../../protocol/parse-client-frame.js';
import type { DeviceConnection } from '../../services/delivery/device-connection.js';
import { Frame } from '../../services/delivery/frame.js';
import type { Principal } from '../../services/identity/identity.js';
import type { DeviceRef } from '../../services/ports/records.js';
import type { RouteServices } from '../route-services.js';
import { handleFrame, ORDERED } from './frame-handlers.js';
import type { Heartbeats } from './heartbeats.js';
import { answer, answerError, type ConnectionContext } from './request-context.js';
import { SocketSink } from './socket-sink.js';
import type { TickWriter } from './tick-writer.js';

export interface SocketConnectionOptions {
  services: RouteServices;
  webSocket: WebSocket;
  /** The stream below the WebSocket. */
  socket: Socket;
  principal: Principal;
  device: DeviceRef;
  writer: TickWriter;
  heartbeats: Heartbeats;
}

const CAPABILITIES = ['replay', 'steer', 'attachments', 'permissions', 'questions', 'plans', 'resume', 'fork', 'ask'];

/** A reader that has stalled may still take what it was sent, and the reason for the close, for this long. */
const SLOW_CLOSE_MS = 5000;

/** Serves one WebSocket until it closes. */
export function serveConnection(options: SocketConnectionOptions): void {
  const { services, webSocket, socket, principal, device, writer } = options;
  const onTooSlow = () => {
    sink.close(CLOSE.tooSlow, 'too slow a reader');
    delivery.close();
  };
  const sink = new SocketSink({ webSocket, socket, writer, onTooSlow, onDrained: () => delivery.drained() });
  const delivery = services.delivery.connect({
    device,
    sink,
    onReplaced: () => sink.close(CLOSE.replaced, 'replaced by a newer connection of this device'),
    onError: (error) => {
      services.log.error('a connection failed', { deviceId: device.deviceId, error: String(error) });
      sink.close(CLOSE.internal, 'internal error');
    },
  });
  const context: ConnectionContext = {
    services,
    principal,
    device,
    delivery,
    workingDirectory: undefined,
    send: (frame) => sink.send(new Frame(() => frame)),
  };
  keepAlive(options, { sink, delivery, onTooSlow });
  webSocket.on('close', (code) => {
    delivery.close();
    services.metrics.connectionClosed(code);
  });
  webSocket.on('error', () => {});
  let turn = welcome(context).catch((error: unknown) => answerError({ connection: context, requestId: null }, error));
  webSocket.on('message', (bytes: Buffer, isBinary) => {
    turn = receive(context, isBinary ? '' : bytes.toString('utf8'), turn);
  });
}

interface Kept {
  sink: SocketSink;
  delivery: DeviceConnection;
  onTooSlow: () => void;
}

function keepAlive({ webSocket, socket, heartbeats }: SocketConnectionOptions, { sink, delivery, onTooSlow }: Kept) {
  const beat = heartbeats.watch({
    ping: () => delivery.ping(),
    get unsent() {
      return sink.unsent;
    },
    get progress() {
      return sink.progress;
    },
    get received() {
      return socket.bytesRead;
    },
    onSilent: () => {
      sink.close(CLOSE.noPong, 'no pong');
      webSocket.terminate();
    },
    onStalled: () => {
      beat.close();
      onTooSlow();
      setTimeout(() => webSocket.terminate(), SLOW_CLOSE_MS).unref();
    },
  });
  webSocket.on('pong', (id: Buffer) => {
    delivery.received(Number(id));
    beat.ponged();
  });
  webSocket.on('close', () => beat.close());
}

async function welcome(connection: ConnectionContext): Promise<void> {
  const { services, device, delivery } = connection;
  const [resumed, claudeCodeVersion] = await Promise.all([delivery.resume(), services.claudeCodeVersion()]);
  answer({ connection, requestId: null }, 'welcome', {
    clientId: nanoid(),
    deviceId: device.deviceId,
    serverVersion: services.version,
    ...(claudeCodeVersion !== undefined && { claudeCodeVersion }),
    capabilities: CAPABILITIES,
    maxSessions: services.maxSessions,
    epoch: services.journal.epoch,
    protocol: PROTOCOL_VERSION,
    heartbeatMs: HEARTBEAT_MS,
    resumed,
  });
  delivery.start();
}

/** Too many, and of too little news, for a log. */
const QUIET: ReadonlySet<string> = new Set(['ack', 'ping']);

/** Handles a frame; resolves when the next ordered one may be looked at. */
function receive(connection: ConnectionContext, text: string, before: Promise<void>): Promise<void> {
  const parsed = parseClientFrame(text);
  const context = { connection, requestId: parsed.ok ? parsed.frame.requestId : parsed.requestId };
  if (!parsed.ok) {
    void before.then(() => answerError(context, parsed.error));
    return before;
  }
  const { frame } = parsed;
  const { log } = connection.services;
  const level = QUIET.has(frame.type) ? 'debug' : 'info';
  log[level]('frame', { type: frame.type, requestId: frame.requestId, deviceId: connection.device.deviceId });
  const handled = before.then(() => handleFrame(context, frame)).catch((error: unknown) => answerError(context, error));
  return ORDERED.has(frame.type) ? handled : before;
}
