import { closeSync, type FSWatcher, fstatSync, openSync, readSync, watch } from 'node:fs';
import { LineSplitter, type RawLine } from './line-splitter.js';

export interface OutputTailOptions {
  path: string;
  /** Byte offset of the first line to read. */
  offset: number;
  /** Receives lines in order; the next ones are read when it has resolved. */
  onLines: (lines: RawLine[]) => Promise<void>;
  /** `onLines` or a read failed: the tail has stopped and is closed. */
  onError: (error: unknown) => void;
}

/** Read in one turn of the loop: about 60 events, so that other work waits 2 ms and not 10. */
const CHUNK_BYTES = 16 * 1024;
/** Complements `fs.watch`, which misses changes on some file systems and at some moments. */
const POLL_MS = 1000;
/** Used where the system has no watch left. */
const FAST_POLL_MS = 50;
/** The longest line kept; a longer one is skipped. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;

/**
 * Follows a file that another process appends to and returns its complete lines. Reads are synchronous: the bytes were
 * just written and are in the page cache, so a read is faster than a trip to the thread pool.
 */
export class OutputTail {
  readonly #options: OutputTailOptions;
  readonly #file: number;
  readonly #splitter: LineSplitter;
  readonly #chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  readonly #watcher: FSWatcher | undefined;
  readonly #poll: NodeJS.Timeout;
  /**
   * The bytes that were there when it was opened. A read ends here, and so at half a line that another daemon has left,
   * whatever the child answers to this one before the first read.
   */
  readonly #writtenBefore: number;
  #position: number;
  #reading: Promise<void> | undefined;
  #again = false;
  #closed = false;

  constructor(options: OutputTailOptions) {
    this.#options = options;
    this.#position = options.offset;
    this.#splitter = new LineSplitter(options.offset, MAX_LINE_BYTES);
    this.#file = openSync(options.path, 'r');
    this.#writtenBefore = fstatSync(this.#file).size;
    const wake = () => void this.#wake();
    this.#watcher = watchFile(options.path, wake);
    this.#poll = setInterval(wake, this.#watcher ? POLL_MS : FAST_POLL_MS);
    this.#poll.unref();
    // In a microtask: the owner's constructor has not returned yet.
    queueMicrotask(wake);
  }

  /** Reads everything written so far; resolves when it has been handled. */
  drain(): Promise<void> {
    return this.#wake();
  }

  /**
   * The end offset of a partial line at the end of the file; undefined after a complete one, and while reading
   * continues.
   */
  get tornAt(): number | undefined {
    const isAtEnd = !this.#closed && !this.#reading;
    return isAtEnd && this.#splitter.pending > 0 ? this.#position : undefined;
  }

  /** The bytes written so far, read or not. */
  get written(): number {
    return this.#closed ? this.#position : fstatSync(this.#file).size;
  }

  /** The partial line at the end of the bytes read. */
  get unfinished(): Buffer {
    return this.#splitter.unfinished;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#poll);
    this.#watcher?.close();
    closeSync(this.#file);
  }

  #wake(): Promise<void> {
    this.#again = true;
    this.#reading ??= this.#read();
    return this.#reading;
  }

  /** Always awaits at least once, so that `#reading` is set before it is cleared. */
  async #read(): Promise<void> {
    try {
      while (this.#again && !this.#closed) {
        this.#again = false;
        await this.#readToEnd();
      }
    } catch (error) {
      if (this.#closed) return;
      this.close();
      this.#options.onError(error);
    } finally {
      this.#reading = undefined;
    }
  }

  async #readToEnd(): Promise<void> {
    while (!this.#closed) {
      const left = this.#writtenBefore - this.#position;
      const wanted = left > 0 ? Math.min(CHUNK_BYTES, left) : CHUNK_BYTES;
      const bytes = readSync(this.#file, this.#chunk, 0, wanted, this.#position);
      if (bytes === 0) return;
      this.#position += bytes;
      const lines = this.#splitter.push(this.#chunk.subarray(0, bytes));
      if (lines.length > 0) await this.#options.onLines(lines);
      // A short read has reached the end: later writes wake the tail again.
      if (bytes < wanted) return;
      await yieldToLoop();
    }
  }
}

function watchFile(path: string, wake: () => void): FSWatcher | undefined {
  try {
    // After a watch fails, the timer still polls.
    return watch(path, { persistent: false }, wake).on('error', wake);
  } catch {
    // The system has no watches left, or none for this file system: only the timer polls.
    return undefined;
  }
}

/** Lets sockets and timers run between two full chunks. */
const yieldToLoop = () => new Promise<void>((resolve) => setImmediate(resolve));
