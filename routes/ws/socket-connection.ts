import type { Socket } from 'node:net';
import { nanoid } from 'nanoid';
import type { WebSocket } from 'ws';
import { CLOSE } from '../../protocol/error-codes.js';
import { HEARTBEAT_MS, PROTOCOL_VERSION } from '../../protocol/limits.js';
import { parseClientFrame } from '../../protocol/parse-client-frame.js';
import type { DeviceConnection } from '../../services/delivery/device-connection.js';
import { Frame } from '../../services/delivery/frame.js';
import type { Principal } from '../../services/identity/principal.js';
import type { DeviceRef } from '../../services/ports/records.js';
import type { Visit } from '../../services/push/presence.js';
import type { RouteServices } from '../route-services.js';
import { admitFrame, countFrame } from './admit-frame.js';
import { auditFrame } from './audit-frame.js';
import { CredentialWatch } from './credential-watch.js';
import { handleFrame, ORDERED } from './frame-handlers.js';
import type { Beat, Heartbeats, Pulse } from './heartbeats.js';
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
  address: string;
  /** All that are open; it adds itself. */
  connections: Set<SocketConnection>;
  writer: TickWriter;
  heartbeats: Heartbeats;
}

const CAPABILITIES = ['replay', 'steer', 'attachments', 'permissions', 'questions', 'plans', 'resume', 'fork', 'ask'];

/** A reader that has stalled may still take what it was sent, and the reason for the close, for this long. */
const SLOW_CLOSE_MS = 2000;
/** Whoever has to go is gone within a second, whether or not the close is answered. */
const EXPEL_MS = 800;

/** One WebSocket, from its upgrade to its end. */
export class SocketConnection implements ConnectionContext, Pulse {
  readonly services: RouteServices;
  principal: Principal;
  readonly device: DeviceRef;
  readonly address: string;
  readonly delivery: DeviceConnection;
  readonly visit: Visit;
  workingDirectory: string | undefined;
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  readonly #sink: SocketSink;
  readonly #beat: Beat;
  readonly #credential: CredentialWatch;
  /** Settles when the frames up to now that keep an order have been handled. */
  #turn: Promise<void>;
  #closedWith: number | undefined;

  constructor(options: SocketConnectionOptions) {
    const { services, webSocket, socket, principal, device, address, connections, writer, heartbeats } = options;
    this.services = services;
    this.principal = principal;
    this.device = device;
    this.address = address;
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#sink = new SocketSink({ webSocket, socket, writer, owner: this });
    this.delivery = services.delivery.connect({ device, sink: this.#sink, owner: this });
    this.visit = services.push.arrive(device);
    this.#beat = heartbeats.watch(this);
    this.#credential = new CredentialWatch({
      now: services.now,
      onExpiring: (expiresAt) => this.#askToRenew(expiresAt),
      onExpired: () => this.expel(CLOSE.credentialRevoked, 'the credential has expired'),
    });
    connections.add(this);
    webSocket.on('close', (code) => {
      connections.delete(this);
      this.#onClose(code);
    });
    webSocket.on('error', ignore);
    webSocket.on('pong', (id) => this.#onPong(id));
    webSocket.on('message', (bytes: Buffer, isBinary) => this.#onMessage(isBinary ? '' : bytes.toString('utf8')));
    const welcomed = welcome(this).then(() => this.#credential.follow(this.principal.expiresAt));
    this.#turn = welcomed.catch((error: unknown) => this.onError(error));
  }

  send(frame: string): void {
    this.#sink.send(new Frame(() => frame));
  }

  /** Sends what there is to send, and then the close frame. */
  close(code: number, reason: string): void {
    this.#closedWith ??= code;
    this.#sink.close(code, reason);
  }

  renew(principal: Principal): void {
    this.principal = principal;
    this.#credential.follow(principal.expiresAt);
  }

  /** As `close`, and does not wait for long that the other side agrees. */
  expel(code: number, reason: string): void {
    this.close(code, reason);
    setTimeout(() => this.terminate(), EXPEL_MS).unref();
  }

  terminate(): void {
    this.#webSocket.terminate();
  }

  ping(): void {
    this.delivery.ping();
  }

  get unsent(): number {
    return this.#sink.unsent;
  }

  get progress(): string {
    return this.#sink.progress;
  }

  get received(): number {
    return this.#socket.bytesRead;
  }

  onDrained(): void {
    this.delivery.drained();
  }

  onTooSlow(): void {
    this.close(CLOSE.tooSlow, 'too slow a reader');
    this.delivery.close();
  }

  onStalled(): void {
    this.#beat.close();
    this.onTooSlow();
    setTimeout(() => this.#webSocket.terminate(), SLOW_CLOSE_MS).unref();
  }

  onSilent(): void {
    this.close(CLOSE.noPong, 'no pong');
    this.#webSocket.terminate();
  }

  onReplaced(): void {
    this.close(CLOSE.replaced, 'replaced by a newer connection of this device');
  }

  onError(error: unknown): void {
    this.services.log.error('a connection failed', { deviceId: this.device.deviceId, error: String(error) });
    this.close(CLOSE.internal, 'internal error');
  }

  /** What comes after the close frame went out is not obeyed any more: the credential may be void. */
  #onMessage(text: string): void {
    if (this.#closedWith !== undefined) return;
    this.#turn = receive(this, text, this.#turn);
  }

  #askToRenew(expiresAt: number): void {
    const at = new Date(expiresAt).toISOString();
    answer({ connection: this, requestId: null }, 'tokenExpiring', { expiresAt: at });
  }

  #onPong(id: Buffer): void {
    this.delivery.received(Number(id));
    this.#beat.ponged();
  }

  #onClose(code: number): void {
    this.#beat.close();
    this.#credential.close();
    this.delivery.close();
    this.visit.end();
    this.services.metrics.connectionClosed(this.#closedWith ?? code);
  }
}

const ignore = () => {};

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
    void before
      .then(() => countFrame(connection))
      .then(() => answerError(context, parsed.error))
      .catch((error: unknown) => answerError(context, error));
    return before;
  }
  const { frame } = parsed;
  const { log } = connection.services;
  const level = QUIET.has(frame.type) ? 'debug' : 'info';
  log[level]('frame', { type: frame.type, requestId: frame.requestId, deviceId: connection.device.deviceId });
  const handled = before
    .then(() => admitFrame(connection, frame))
    .then(() => handleFrame(context, frame))
    .then(() => auditFrame(connection, frame))
    .catch((error: unknown) => {
      auditFrame(connection, frame, error);
      answerError(context, error);
    });
  return ORDERED.has(frame.type) ? handled : before;
}
