import { type ReceivedFrame, receiveFrame } from './receive-frame.js';
import type { ConnectionContext } from './request-context.js';

/** The source of frames. */
export interface FrameSource {
  pause(): void;
  resume(): void;
}

export interface FrameInboxOptions {
  connection: ConnectionContext;
  source: FrameSource;
  /** No frame is handled before this. Never rejects. */
  welcomed: Promise<void>;
}

/** Limit for frames that wait for an ordered one to complete. Above it, reading pauses. */
const MAX_WAITING_BYTES = 1024 * 1024;
/** Memory cost of a waiting frame besides its text. */
const FRAME_COST_BYTES = 1024;

/**
 * The frames of one connection, each handled in order. The frame in progress does not count as waiting, and the last
 * one read can have the maximum frame size: both together bound what a connection holds.
 */
export class FrameInbox {
  readonly #options: FrameInboxOptions;
  /** Settles when the ordered frames up to now have been handled. */
  #turn: Promise<void>;
  #waitingBytes = 0;
  #isPaused = false;

  constructor(options: FrameInboxOptions) {
    this.#options = options;
    this.#turn = options.welcomed;
  }

  /** Nothing is read from the client, including pongs. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Resolves when all frames up to now have been handled. */
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

  /** Resumes reading for the client's answer to a close. */
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
