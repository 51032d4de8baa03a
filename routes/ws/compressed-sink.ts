import { constants, DeflateRaw } from 'minizlib';
import type { PerMessageDeflateOptions, WebSocket } from 'ws';
import type { Encoder, Frame } from '../../services/delivery/frames.js';
import { encodeCompressedFrame } from './encode-text-frame.js';
import { type DeviceSink, type SocketSinkOptions, UnsentData } from './socket-sink.js';
import { type Collector, joinParts } from './tick-writer.js';

const WINDOW_BITS = 13;
/**
 * Frames of text are small and much alike, so each is compressed against the frames before it. A window of 8 KiB is
 * enough; a larger one saves little more. A compressor was measured at 115 KiB: Node's zlib keeps a hash table of 64 KiB
 * on processors with CRC instructions, whatever `memLevel` is (Chromium's `deflateInit2_`).
 */
const DEFLATE = { level: 6, memLevel: 4, windowBits: WINDOW_BITS, chunkSize: 4096 };

/** What is agreed with a client. An offer that rules out the window is answered without compression. */
export const PER_MESSAGE_DEFLATE: PerMessageDeflateOptions = {
  serverMaxWindowBits: WINDOW_BITS,
  serverNoContextTakeover: false,
  clientNoContextTakeover: true,
  zlibInflateOptions: { chunkSize: 4096 },
};

export const isCompressed = ({ extensions }: Pick<WebSocket, 'extensions'>): boolean =>
  extensions.includes('permessage-deflate');

/** The maximum that is compressed for one connection in one turn of the event loop. */
const SLICE_BYTES = 32 * 1024;
/** A compressed message ends without these bytes of the flush (RFC 7692, section 7.2.1). */
const FLUSH_TAIL_BYTES = 4;

const encodeText: Encoder = (text) => Buffer.from(text);

/** A frame, or what has to come between two of them. */
type Item = Uint8Array | (() => void);

/**
 * Sends compressed frames; those of one tick are sent in one write of the socket. `ws` compresses in the thread pool,
 * which adds milliseconds to each frame and takes a few thousand frames a second; a small frame takes 20 µs here.
 * `minizlib` runs zlib synchronously. Control frames of `ws` enter the same socket whole.
 */
export class CompressedSink implements DeviceSink, Collector {
  readonly #options: SocketSinkOptions;
  readonly #data: UnsentData;
  readonly #deflate = new DeflateRaw(DEFLATE);
  #queue: Item[] = [];
  /** Bytes of the first frame that are compressed. */
  #at = 0;
  #compressed: Buffer[] = [];
  #isScheduled = false;
  /** The most that was unsent since all was sent. */
  #most = 0;

  constructor(options: SocketSinkOptions) {
    const { webSocket, socket } = options;
    this.#options = options;
    this.#data = new UnsentData(socket);
    this.#deflate.on('data', (bytes: Buffer) => this.#compressed.push(bytes));
    // After an error the client cannot read what follows.
    this.#deflate.on('error', () => webSocket.terminate());
    webSocket.once('close', () => this.#deflate.close());
  }

  get unsent(): number {
    return this.#data.bytes;
  }

  get lagging(): boolean {
    return this.#data.lagging;
  }

  get progress(): string {
    return this.#data.progress;
  }

  get frames(): number {
    return this.#data.frames;
  }

  send(frame: Frame): void {
    if (!this.#isOpen) return;
    const bytes = frame.encoded(encodeText);
    if (!this.#data.add(bytes)) {
      this.#options.owner.onTooSlow();
      return;
    }
    this.#most = Math.max(this.#most, this.unsent);
    this.#add(bytes);
  }

  /** The pong to this ping arrives when all frames before it have arrived. */
  confirm(id: number): void {
    this.#add(() => {
      if (this.#isOpen) this.#options.webSocket.ping(id === 0 ? undefined : String(id));
    });
  }

  close(code: number, reason: string): void {
    this.#add(() => this.#options.webSocket.close(code, reason));
  }

  /** Compresses and writes a slice of the queue; the next slice follows in another turn of the event loop. */
  flush(): void {
    this.#isScheduled = false;
    let frames: Uint8Array[] = [];
    for (let room = SLICE_BYTES; room > 0; ) {
      const [item] = this.#queue;
      if (item === undefined) break;
      if (typeof item === 'function') {
        this.#write(frames);
        frames = [];
        this.#queue.shift();
        item();
      } else {
        room -= this.#compress(item, { room, frames });
      }
    }
    this.#write(frames);
    if (this.#queue.length > 0) this.#schedule(() => setImmediate(() => this.flush()));
  }

  get #isOpen(): boolean {
    const { webSocket } = this.#options;
    return webSocket.readyState === webSocket.OPEN;
  }

  #add(item: Item): void {
    this.#queue.push(item);
    this.#schedule(() => this.#options.writer.schedule(this));
  }

  #schedule(flushSoon: () => void): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    flushSoon();
  }

  /** Compresses at most `room` bytes of the first frame, and adds it when it is complete. Returns the bytes taken. */
  #compress(bytes: Uint8Array, { room, frames }: { room: number; frames: Uint8Array[] }): number {
    const piece = bytes.subarray(this.#at, this.#at + room);
    this.#at += piece.length;
    const isWhole = this.#at === bytes.length;
    let frame: Uint8Array | undefined;
    if (this.#isOpen) {
      this.#deflate.write(Buffer.from(piece.buffer, piece.byteOffset, piece.length));
      if (isWhole) frame = this.#takeFrame();
    }
    if (isWhole) {
      this.#queue.shift();
      this.#at = 0;
      this.#data.passed(bytes.length, frame?.length ?? 0);
    }
    if (frame) frames.push(frame);
    return piece.length;
  }

  #takeFrame(): Uint8Array {
    this.#deflate.flush(constants.Z_SYNC_FLUSH);
    const payload = Buffer.concat(this.#compressed);
    this.#compressed = [];
    return encodeCompressedFrame(payload.subarray(0, -FLUSH_TAIL_BYTES));
  }

  #write(frames: Uint8Array[]): void {
    if (frames.length > 0 && this.#isOpen) this.#options.socket.write(joinParts(frames), this.#onWritten);
  }

  /** The socket emits no `drain` for the few bytes that much text is compressed to. */
  readonly #onWritten = (error?: Error | null): void => {
    const { socket, owner } = this.#options;
    if (error || this.unsent > 0 || this.#most <= socket.writableHighWaterMark) return;
    this.#most = 0;
    owner.onDrained();
  };
}
