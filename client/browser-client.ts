import { openBrowserSocket, type WebSocketConstructor } from './browser-socket.js';
import { type CompanionClient, createClient } from './companion-client.js';
import { type CompanionClientOptions, socketUrl } from './companion-client-options.js';

declare const WebSocket: WebSocketConstructor;

/** Without what a browser cannot do: a local socket. */
export type BrowserClientOptions = Omit<CompanionClientOptions, 'socketPath' | 'url'> & { url: string };

/** As `createCompanionClient`, for pages and workers: it contains nothing of Node. */
export const createBrowserClient = (given: BrowserClientOptions): CompanionClient => {
  const webSocket = given.webSocket ?? WebSocket;
  return createClient({ ...given, webSocket }, ({ options, credentials, listener }) => {
    const { token } = credentials;
    const url = socketUrl(options, credentials);
    return openBrowserSocket({ url, listener, webSocket, ...(token !== undefined && { token }) });
  });
};
