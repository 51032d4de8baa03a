import { type ReceivedFrame, receiveFrame } from './receive-frame.js';
import type { ConnectionContext } from './request-context.js';

/** From where frames come. */
export interface FrameSource {
  pause(): void;
  resume(): void;
}

export interface FrameInboxOptions {
  connection: ConnectionContext;
  source: FrameSource;
  /** No frame is begun before this. Never rejects. */
  welcomed: Promise<void>;
}

/** Of frames that wait for an ordered one to be finished. With more than that no more is read. */
const MAX_WAITING_BYTES = 1024 * 1024;
/** What a frame that waits takes beside its text. */
const FRAME_COST_BYTES = 1024;

/**
 * The frames of one connection, each handled in its turn. The frame that is at work does not count as waiting, and
 * the last one that was read may be as large as frames are: both together are the most that a connection holds.
 */
export class FrameInbox {
  readonly #options: FrameInboxOptions;
  /** Settles when the frames up to now that keep an order have been handled. */
  #turn: Promise<void>;
  #waitingBytes = 0;
  #isPaused = false;

  constructor(options: FrameInboxOptions) {
    this.#options = options;
    this.#turn = options.welcomed;
  }

  /** Nothing is read from the other side, pongs included. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Resolves when all frames up to now have had their turn. */
  get settled(): Promise<void> {
    return this.#turn;
  }

  /** `size`: bytes of the frame. */
  take(frame: ReceivedFrame, size: number): void {
    const bytes = size + FRAME_COST_BYTES;
    this.#waitingBytes += bytes;
    const turn = this.#turn.then(() => this.#begun(bytes));
    this.#turn = receiveFrame(this.#options.connection, frame, turn);
    if (this.#waitingBytes <= MAX_WAITING_BYTES || this.#isPaused) return;
    this.#isPaused = true;
    this.#options.source.pause();
  }

  /** Reads on, for the sake of the other side's answer to a close. */
  release(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#options.source.resume();
  }

  #begun(bytes: number): void {
    this.#waitingBytes -= bytes;
    if (this.#waitingBytes <= MAX_WAITING_BYTES) this.release();
  }
}
