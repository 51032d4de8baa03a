import type { ClientSocket, SocketListener } from './client-socket.js';

/** The part of the standard `WebSocket` that is used. Handlers take `never` so that every platform's class fits. */
export interface StandardWebSocket {
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

/** A browser's `WebSocket`, or a class with the same constructor and behaviour. */
export type WebSocketConstructor = new (url: string, protocols: string[]) => StandardWebSocket;

export interface BrowserSocketOptions {
  url: string;
  token?: string;
  webSocket: WebSocketConstructor;
  listener: SocketListener;
}

/** Browsers cannot set headers: the token is sent in a subprotocol beside the one that the daemon selects. */
export function openBrowserSocket({ url, token, webSocket, listener }: BrowserSocketOptions): ClientSocket {
  const protocols = ['companion.v1', ...(token === undefined ? [] : [`companion.bearer.${base64Url(token)}`])];
  const socket = new webSocket(url, protocols);
  socket.onmessage = ({ data }: { data: unknown }) => {
    if (typeof data === 'string') listener.onText(data);
  };
  const onClose = ({ code, reason }: { code: number; reason: string }) => listener.onEnd({ code, reason });
  socket.onclose = onClose;
  // The error's cause is hidden from scripts; a close always follows.
  socket.onerror = () => undefined;
  // Scripts cannot end a connection at once: it ends by itself, without a listener.
  const drop = () => {
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
    onClose({ code: 1006, reason: '' });
  };
  return { send: (text) => socket.send(text), close: () => socket.close(1000), drop };
}

/** base64url without padding of the UTF-8 bytes; without `Buffer`, which browsers lack. */
function base64Url(text: string): string {
  const bytes = Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join('');
  return btoa(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
