import type { Response } from 'express';
import type { Frame, StreamSink } from '../../services/delivery/frames.js';
import { queuedBelow, type SinkOwner } from '../ws/socket-sink.js';
import type { EventBlocks, FrameNote } from './event-blocks.js';

/** What a stream does with the block of a frame: sends it, leaves it out, or sends it under another id. */
export type BlockView = (note: FrameNote, block: Uint8Array) => Uint8Array | undefined;

export interface EventSinkOptions {
  response: Response;
  blocks: EventBlocks;
  view: BlockView;
  owner: SinkOwner;
}

/** As on a socket: the largest frame does not count. */
const MAX_UNSENT_BYTES = 1024 * 1024;

/** Sends the frames of one reader as blocks of its event stream. Those of one tick leave in one write. */
export class EventSink implements StreamSink {
  readonly #options: EventSinkOptions;
  #written = 0;
  /** Size of the largest block since nothing was unsent. */
  #largest = 0;
  #isOver = false;

  constructor(options: EventSinkOptions) {
    this.#options = options;
    options.response.on('drain', () => options.owner.onDrained());
  }

  /** Includes what waits behind an earlier answer on the same connection. */
  get unsent(): number {
    return this.#options.response.writableLength;
  }

  get lagging(): boolean {
    return this.unsent > 0;
  }

  /** A value that changes as long as the client reads its data. */
  get progress(): string {
    const { socket } = this.#options.response;
    return `${this.#written - this.unsent}/${String(socket && queuedBelow(socket))}`;
  }

  send(frame: Frame): void {
    const { blocks, view } = this.#options;
    const block = frame.encoded(blocks.encode);
    const note = blocks.noteOf(block);
    const shown = note && view(note, block);
    if (shown) this.write(shown);
  }

  write(bytes: Uint8Array | string): void {
    const { response, owner } = this.#options;
    if (this.#isOver || bytes.length === 0) return;
    const { unsent } = this;
    if (unsent === 0) this.#largest = 0;
    this.#largest = Math.max(this.#largest, bytes.length);
    if (unsent + bytes.length - this.#largest > MAX_UNSENT_BYTES) {
      owner.onTooSlow();
      return;
    }
    this.#written += bytes.length;
    response.write(bytes);
  }

  /** Sends what is pending, and ends the stream. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.response.end();
  }
}
