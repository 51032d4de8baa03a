import { openBrowserSocket } from './browser-socket.js';
import type { ClientSocket } from './client-socket.js';
import { type OpenDaemonSocketOptions, socketUrl } from './companion-client-options.js';
import { openNodeSocket } from './node-socket.js';

/** Of the `ws` package, unless the options have another class. */
export function openDaemonSocket({ options, credentials, listener }: OpenDaemonSocketOptions): ClientSocket {
  const { webSocket, socketPath } = options;
  const { token } = credentials;
  const common = { url: socketUrl(options, credentials), listener, ...(token !== undefined && { token }) };
  if (webSocket) return openBrowserSocket({ ...common, webSocket });
  return openNodeSocket({ ...common, ...(socketPath !== undefined && { socketPath }) });
}
