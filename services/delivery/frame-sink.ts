import type { Frame } from './frame.js';

/** Where the frames of a reader go. */
export interface StreamSink {
  /** Takes a frame for this connection. Frames leave in order, those of one tick together. */
  send(frame: Frame): void;
  /** Bytes given to `send` that have not left this process. */
  readonly unsent: number;
  /** Bytes of an earlier tick are still here: the reader, or the way to it, is slower than what it is sent. */
  readonly lagging: boolean;
}

/** The socket of a device. */
export interface FrameSink extends StreamSink {
  /** Asks the other side to tell when it has all that was sent before. What it tells is the id. 0: only that it lives. */
  confirm(id: number): void;
}
