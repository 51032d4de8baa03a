import type { Frame } from './frame.js';

/** The destination of a reader's frames. */
export interface StreamSink {
  /** Sends a frame on this connection. Frames leave in order, batched per tick. */
  send(frame: Frame): void;
  /** Bytes given to `send` that have not left this process. */
  readonly unsent: number;
  /** Bytes of an earlier tick are still buffered: the reader or the network is slower than the stream. */
  readonly lagging: boolean;
}

/** The socket of a device. */
export interface FrameSink extends StreamSink {
  /** Asks the peer to confirm, with this id, that it has received everything sent before. 0: only that it is alive. */
  confirm(id: number): void;
}
