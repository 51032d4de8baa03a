/** The socket as delivery sees it. */
export interface FrameSink {
  send(frame: string): void;
  /** Bytes given to `send` that have not left this process. */
  readonly unsent: number;
}
