import type { Socket } from 'node:net';
import { nanoid } from 'nanoid';
import type { WebSocket } from 'ws';
import { CLOSE, CompanionError } from '../../protocol/error-codes.js';
import { HEARTBEAT_MS, PROTOCOL_VERSION } from '../../protocol/limits.js';
import type { DeviceConnection } from '../../services/delivery/device/device-connection.js';
import { Frame } from '../../services/delivery/frames.js';
import type { Principal } from '../../services/identity/principal.js';
import type { DeviceRef } from '../../services/ports/records.js';
import type { TraceHeaders } from '../../services/ports/tracing.js';
import type { Visit } from '../../services/push/policy/push-policy.js';
import type { ConnectedClient } from '../../services/telemetry/clients.js';
import { describeCli } from '../describe-cli.js';
import type { RouteServices } from '../route-services.js';
import { CompressedSink, isCompressed } from './compressed-sink.js';
import { FrameInbox } from './frame-inbox.js';
import type { Beat, Heartbeats, Pulse } from './heartbeats.js';
import { answer, type ConnectionContext, RefusalCounter } from './request-context.js';
import { type DeviceSink, SocketSink } from './socket-sink.js';
import type { TickWriter } from './tick-writer.js';

export interface SocketConnectionOptions {
  services: RouteServices;
  webSocket: WebSocket;
  /** The stream below the WebSocket. */
  socket: Socket;
  principal: Principal;
  device: DeviceRef;
  /** The daemon has generated its id. */
  isNameless: boolean;
  address: string;
  /** The headers of its upgrade, where frames are traced. */
  trace: TraceHeaders | undefined;
  /** All open connections; it adds itself. */
  connections: Set<SocketConnection>;
  /** Ended connections with frames that wait for their turn. */
  lingering: Set<SocketConnection>;
  writer: TickWriter;
  heartbeats: Heartbeats;
}

/** How long a stalled reader can still receive its data and the reason for the close. */
const SLOW_CLOSE_MS = 2000;
/** An expelled connection is terminated within this time, even when it does not answer the close. */
const EXPEL_MS = 800;

/** One WebSocket, from its upgrade to its end. */
export class SocketConnection implements ConnectionContext, Pulse {
  readonly services: RouteServices;
  principal: Principal;
  readonly device: DeviceRef;
  readonly clientId = nanoid();
  readonly address: string;
  readonly delivery: DeviceConnection;
  readonly visit: Visit;
  workingDirectory: string | undefined;
  readonly trace: TraceHeaders | undefined;
  readonly refusals = new RefusalCounter();
  readonly #counts = { received: 0, failed: 0 };
  readonly #client: ConnectedClient;
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  readonly #sink: DeviceSink;
  readonly #beat: Beat;
  readonly #credential: CredentialWatch;
  readonly #inbox: FrameInbox;
  /** Created when a command waits for it: most connections have none that does. */
  #ended: AbortController | undefined;
  #hasEnded = false;
  #closedWith: number | undefined;

  constructor(options: SocketConnectionOptions) {
    const { services, webSocket, socket, principal, device, isNameless, address, writer, heartbeats } = options;
    this.services = services;
    this.principal = principal;
    this.device = device;
    this.address = address;
    this.trace = options.trace;
    this.#webSocket = webSocket;
    this.#socket = socket;
    const Sink = isCompressed(webSocket) ? CompressedSink : SocketSink;
    this.#sink = new Sink({ webSocket, socket, writer, owner: this });
    this.#client = {
      clientId: this.clientId,
      device,
      counts: () => ({ ...this.#counts, sent: this.#sink.frames }),
      unsentBytes: () => this.unsent,
    };
    if (services.clients.opened(this.#client)) services.metrics.reconnections.inc();
    this.delivery = services.delivery.connect({ device, isNameless, sink: this.#sink, owner: this });
    this.visit = services.push.arrive(device);
    this.#beat = heartbeats.watch(this);
    this.#credential = new CredentialWatch({
      now: services.now,
      onExpiring: (expiresAt) => this.#askToRenew(expiresAt),
      onExpired: () => this.expel(CLOSE.credentialRevoked, 'the credential has expired'),
    });
    const welcomed = welcome(this)
      .then(() => this.#credential.follow(this.principal.expiresAt))
      .catch((error: unknown) => this.onError(error));
    this.#inbox = new FrameInbox({ connection: this, source: webSocket, welcomed });
    this.#listen(options);
  }

  #listen({ webSocket, connections, lingering }: SocketConnectionOptions): void {
    connections.add(this);
    webSocket.on('close', (code) => {
      connections.delete(this);
      lingering.add(this);
      void this.#inbox.settled.then(() => {
        lingering.delete(this);
        this.#credential.close();
      });
      this.#onClose(code);
    });
    // Its end follows, with the code of the error.
    webSocket.on('error', ignore);
    webSocket.on('pong', (id) => this.#onPong(id));
    webSocket.on('message', (bytes: Buffer, isBinary) => this.#onMessage(bytes, isBinary));
  }

  send(frame: string): void {
    this.#sink.send(new Frame(() => frame));
  }

  /** A frame of the client was answered with an error. */
  refused(): void {
    this.#counts.failed += 1;
  }

  /** Sends all pending data, and then the close frame. */
  close(code: number, reason: string): void {
    this.#closedWith ??= code;
    this.#inbox.release();
    this.#sink.close(code, reason);
  }

  renew(principal: Principal): void {
    this.principal = principal;
    this.#credential.follow(principal.expiresAt);
  }

  /** Like `close`, but does not wait long for the client's close. */
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

  get isCompressed(): boolean {
    return isCompressed(this.#webSocket);
  }

  get unsent(): number {
    return this.#sink.unsent;
  }

  get progress(): string {
    return this.#sink.progress;
  }

  get isExpelled(): boolean {
    return this.#closedWith !== undefined;
  }

  get ended(): AbortSignal {
    this.#ended ??= new AbortController();
    if (this.#hasEnded) this.#ended.abort(ended());
    return this.#ended.signal;
  }

  get isUnheard(): boolean {
    return this.#inbox.isPaused;
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
    this.expel(CLOSE.replaced, 'replaced by a newer connection of this device');
  }

  onError(error: unknown): void {
    this.services.log.error('a connection failed', { deviceId: this.device.deviceId, error: String(error) });
    this.close(CLOSE.internal, 'internal error');
  }

  /** Frames after the sent close frame are ignored: the credential may be invalid. */
  #onMessage(bytes: Buffer, isBinary: boolean): void {
    if (this.isExpelled) return;
    this.#counts.received += 1;
    this.#inbox.take({ text: isBinary ? '' : bytes.toString('utf8'), isBinary }, bytes.length);
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
    this.#hasEnded = true;
    this.#ended?.abort(ended());
    this.#beat.close();
    this.delivery.close();
    this.visit.end();
    this.services.clients.closed(this.#client);
    this.services.metrics.closed.inc({ code: String(this.#closedWith ?? code) });
  }
}

const ended = () => new CompanionError('TIMEOUT', 'The connection ended before the answer came.');

const ignore = () => {};

async function welcome(connection: ConnectionContext): Promise<void> {
  const { services, device, delivery } = connection;
  const resumed = delivery.resume();
  const cli = await describeCli(services);
  answer({ connection, requestId: null }, 'welcome', {
    clientId: connection.clientId,
    deviceId: device.deviceId,
    serverVersion: services.version,
    ...cli,
    maxSessions: services.maxSessions,
    epoch: services.journal.epoch,
    protocol: PROTOCOL_VERSION,
    heartbeatMs: HEARTBEAT_MS,
    resumed,
  });
  delivery.start();
}

export interface CredentialWatchOptions {
  /** Wall clock, epoch milliseconds, by which a credential's expiry is measured. */
  now: () => number;
  /** A minute is left. `expiresAt`: epoch milliseconds. */
  onExpiring: (expiresAt: number) => void;
  onExpired: () => void;
}

/** How long before the expiry a client is asked for another token. */
const NOTICE_MS = 60_000;
/** The wake-up of a sleeping machine, or a clock change, is noticed within this time. */
const LOOK_MS = 20_000;

/** Follows the credential of a connection until it expires. */
export class CredentialWatch {
  readonly #options: CredentialWatchOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: CredentialWatchOptions) {
    this.#options = options;
  }

  /** Replaces the previous expiry. Undefined: it does not expire. */
  follow(expiresAt: number | undefined): void {
    clearTimeout(this.#timer);
    if (expiresAt === undefined) return;
    this.#at(expiresAt - NOTICE_MS, () => {
      this.#options.onExpiring(expiresAt);
      this.#at(expiresAt, this.#options.onExpired);
    });
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #at(time: number, then: () => void): void {
    const ms = time - this.#options.now();
    if (ms <= 0) then();
    else this.#timer = setTimeout(() => this.#at(time, then), Math.min(ms, LOOK_MS)).unref();
  }
}
