import type { SocketEnd } from './after-connection.js';

/** The client's view of a socket, for all platforms. */
export interface ClientSocket {
  send(text: string): void;
  /** Starts the closing handshake; `onEnd` follows. */
  close(): void;
  /** Ends the connection without a handshake; `onEnd` follows at once. */
  drop(): void;
}

export interface SocketListener {
  onText(text: string): void;
  /** A sign of life other than a frame. */
  onPing(): void;
  /** Called once, whether or not the socket ever opened. */
  onEnd(end: SocketEnd): void;
}

export type OpenSocket = (listener: SocketListener) => ClientSocket;
