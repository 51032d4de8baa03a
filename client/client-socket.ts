import type { SocketEnd } from './after-connection.js';

/** What the client needs of a socket, whichever platform it is from. */
export interface ClientSocket {
  send(text: string): void;
  /** Says goodbye; `onEnd` follows. */
  close(): void;
  /** Lets go without a goodbye; `onEnd` follows at once. */
  drop(): void;
}

export interface SocketListener {
  onText(text: string): void;
  /** A sign of life that is no frame. */
  onPing(): void;
  /** Once, whether or not the socket ever opened. */
  onEnd(end: SocketEnd): void;
}

export type OpenSocket = (listener: SocketListener) => ClientSocket;
