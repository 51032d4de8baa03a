import { invalid } from '../protocol/error-codes.js';
import { deviceIdSchema } from '../protocol/scalars.js';
import type { BackoffRange } from './after-connection.js';
import type { WebSocketConstructor } from './browser-socket.js';
import type { ClientSocket, SocketListener } from './client-socket.js';
import type { CursorStore } from './cursor-store.js';

/** The daemon's address (`ws://…/ws`, `wss://…/ws`), or the path of its local unix socket. */
export type DaemonAddress = { url: string; socketPath?: undefined } | { socketPath: string; url?: undefined };

export type CompanionClientOptions = DaemonAddress & {
  /** The credential. A local socket needs none. With `renewToken` it is optional: the client starts with a renewal. */
  token?: string;
  /**
   * Resolves to another access token (see `createTokenRenewer`). Called when the token is about to expire, when the
   * daemon no longer accepts it (1008, 401), and with a `webSocket`, which does not expose a 401, whenever three
   * consecutive tries never opened. Never called again before it has settled, so it should have its own timeout.
   * Rejecting with a `ConnectionError` `unauthorized` means that the device is signed out and closes the client, as
   * does a renewed token that is refused at once; after any other rejection the client tries again with the delays of
   * `reconnect`.
   */
  renewToken?: () => Promise<string>;
  /** 1 to 64 of `A-Z a-z 0-9 . _ -`. Without one the daemon assigns one, which this client keeps for its lifetime. */
  deviceId?: string;
  /** Persists this device's cursors; without one only the daemon knows them. */
  cursorStore?: CursorStore;
  /**
   * `auto` (the default): an event is acknowledged once its listeners have returned. `manual`: the application calls
   * `acknowledge` for processed events; nothing is acknowledged before.
   */
  acknowledge?: 'auto' | 'manual';
  /** Bounds of the delay between tries; 250 ms and 30 s by default. */
  reconnect?: BackoffRange;
  /** Milliseconds until a request without an answer, or a connection without a welcome, times out; 30 s by default. */
  timeoutMs?: number;
  /** A standard `WebSocket` class, such as a browser's, instead of the `ws` package. */
  webSocket?: WebSocketConstructor;
};

export const DEFAULT_RECONNECT: BackoffRange = { minMs: 250, maxMs: 30_000 };
export const DEFAULT_TIMEOUT_MS = 30_000;

/** Throws `CompanionError` `INVALID_REQUEST` naming the invalid option. */
export function checkOptions({ url, deviceId, socketPath, webSocket }: CompanionClientOptions): void {
  if (url !== undefined && !isSocketUrl(url)) throw invalid('url', 'must be a ws or wss URL');
  if (url === undefined && socketPath === undefined) throw invalid('url', 'must be given, or socketPath');
  if (socketPath !== undefined && webSocket) throw invalid('socketPath', 'needs the ws package, not a webSocket');
  if (deviceId === undefined) return;
  const parsed = deviceIdSchema.safeParse(deviceId);
  if (!parsed.success) throw invalid('deviceId', parsed.error.issues[0]?.message ?? 'is not valid');
}

const isSocketUrl = (url: string) => URL.canParse(url) && ['ws:', 'wss:'].includes(new URL(url).protocol);

/** The values that can change between two connections. */
export interface Credentials {
  token: string | undefined;
  deviceId: string | undefined;
}

export interface OpenDaemonSocketOptions {
  options: CompanionClientOptions;
  credentials: Credentials;
  listener: SocketListener;
}

/** Opens a socket of the platform. */
export type OpenDaemonSocket = (options: OpenDaemonSocketOptions) => ClientSocket;

/** The address of a connection, with the device that it is for. */
export function socketUrl({ url }: CompanionClientOptions, { deviceId }: Credentials): string {
  const address = new URL(url ?? 'ws://localhost/ws');
  if (deviceId !== undefined) address.searchParams.set('deviceId', deviceId);
  return address.href;
}
