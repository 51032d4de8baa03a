import { invalid } from '../protocol/error-codes.js';
import { deviceIdSchema } from '../protocol/scalars.js';
import type { BackoffRange } from './backoff.js';
import { openBrowserSocket, type WebSocketConstructor } from './browser-socket.js';
import type { ClientSocket, SocketListener } from './client-socket.js';
import type { CursorStore } from './cursor-store.js';
import { openNodeSocket } from './node-socket.js';

/** Where the daemon is: an address (`ws://…/ws`, `wss://…/ws`) or the path of its local unix socket. */
export type DaemonAddress = { url: string; socketPath?: undefined } | { socketPath: string; url?: undefined };

export type CompanionClientOptions = DaemonAddress & {
  /** The credential. A local socket needs none. With `renewToken` it may be left out: the client begins with a renewal. */
  token?: string;
  /**
   * Resolves to another access token (see `createTokenRenewer`). Called when the token is about to end, when the daemon
   * does not take it any more (1008, 401), and with a `webSocket`, which does not tell a 401, whenever three tries in a
   * row never opened. Never called again before it has settled, so it should have a bound of its own. Rejecting with a
   * `ConnectionError` `unauthorized` says that the device is out and closes the client, as does a renewed token that is
   * refused at once; after any other rejection the client tries again with the delays of `reconnect`.
   */
  renewToken?: () => Promise<string>;
  /** 1 to 64 of `A-Z a-z 0-9 . _ -`. Without one the daemon gives one, and this client keeps it while it lives. */
  deviceId?: string;
  /** Where this device's cursors survive; without one only the daemon knows them. */
  cursorStore?: CursorStore;
  /**
   * `auto` (the default): an event is acknowledged once its listeners have returned. `manual`: `acknowledge` is called
   * for what is done with; nothing is acknowledged before.
   */
  acknowledge?: 'auto' | 'manual';
  /** Bounds of the delay between tries; 250 ms and 30 s unless told. */
  reconnect?: BackoffRange;
  /** Milliseconds until a request without an answer, or a connection without a welcome, is given up; 30 s unless told. */
  timeoutMs?: number;
  /** A standard `WebSocket` class, such as a browser's, in the place of the `ws` package. */
  webSocket?: WebSocketConstructor;
};

export const DEFAULT_RECONNECT: BackoffRange = { minMs: 250, maxMs: 30_000 };
export const DEFAULT_TIMEOUT_MS = 30_000;

/** Throws `CompanionError` `INVALID_REQUEST` naming the option that cannot be. */
export function checkOptions({ url, deviceId, socketPath, webSocket }: CompanionClientOptions): void {
  if (url !== undefined && !isSocketUrl(url)) throw invalid('url', 'must be a ws or wss URL');
  if (url === undefined && socketPath === undefined) throw invalid('url', 'must be given, or socketPath');
  if (socketPath !== undefined && webSocket) throw invalid('socketPath', 'needs the ws package, not a webSocket');
  if (deviceId === undefined) return;
  const parsed = deviceIdSchema.safeParse(deviceId);
  if (!parsed.success) throw invalid('deviceId', parsed.error.issues[0]?.message ?? 'is not valid');
}

const isSocketUrl = (url: string) => URL.canParse(url) && ['ws:', 'wss:'].includes(new URL(url).protocol);

/** What can change between two connections. */
export interface Credentials {
  token: string | undefined;
  deviceId: string | undefined;
}

interface OpenDaemonSocketOptions {
  options: CompanionClientOptions;
  credentials: Credentials;
  listener: SocketListener;
}

export function openDaemonSocket({ options, credentials, listener }: OpenDaemonSocketOptions): ClientSocket {
  const { webSocket, socketPath } = options;
  const { token, deviceId } = credentials;
  const url = new URL(options.url ?? 'ws://localhost/ws');
  if (deviceId !== undefined) url.searchParams.set('deviceId', deviceId);
  const common = { url: url.href, listener, ...(token !== undefined && { token }) };
  if (webSocket) return openBrowserSocket({ ...common, webSocket });
  return openNodeSocket({ ...common, ...(socketPath !== undefined && { socketPath }) });
}
