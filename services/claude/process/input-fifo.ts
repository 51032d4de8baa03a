import { execFile } from 'node:child_process';
import { closeSync, constants, existsSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** POSIX guarantees that a write of up to this many bytes (`PIPE_BUF`) into a pipe is atomic. */
const ATOMIC_BYTES = process.platform === 'linux' ? 4096 : 512;

/** Creates a FIFO that only its owner can open. Node has no call for it. */
export async function makeFifo(path: string): Promise<void> {
  await run('mkfifo', ['-m', '600', path]);
}

/** Opens both ends for the child: it holds a write end itself and so never sees end-of-file. */
export const openForChild = (path: string): number => openSync(path, constants.O_RDWR);

/**
 * The writing end of a child's stdin. Lines are written in order. While a line that may not fit in one write is
 * pending, a marker file exists: a daemon that finds the marker must assume a torn line and give up the child. To keep
 * that time short, data that fits into the pipe is written at once instead of in a later turn of the event loop.
 */
export class InputFifo {
  readonly #descriptor: number;
  readonly #socket: Socket;
  readonly #marker: string;
  /** The number of lines that may be torn now. */
  #open = 0;

  /** Throws `ENXIO` when the FIFO has no reader. */
  constructor(path: string, onError: (error: Error) => void) {
    this.#marker = markerOf(path);
    const descriptor = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      this.#socket = new Socket({ fd: descriptor, readable: false, writable: true });
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
    this.#descriptor = descriptor;
    this.#socket.on('error', onError);
    this.#socket.unref();
  }

  write(message: object): void {
    this.writeLine(Buffer.from(`${JSON.stringify(message)}\n`));
  }

  /** Writes the bytes unchanged; they end with a line feed. */
  writeLine(line: Buffer): void {
    // The descriptor may already refer to another file.
    if (this.#socket.destroyed) return;
    // Queued lines are written together, so none of them is a single write.
    const isFirst = this.#socket.writableLength === 0;
    if (isFirst && line.length <= ATOMIC_BYTES) {
      this.#socket.write(line);
      return;
    }
    this.#begin();
    const rest = isFirst ? line.subarray(writeNow(this.#descriptor, line)) : line;
    if (rest.length === 0) this.#end();
    else this.#socket.write(rest, () => this.#end());
  }

  #begin(): void {
    if (this.#open === 0) this.#mark();
    this.#open += 1;
  }

  #end(): void {
    this.#open -= 1;
    // A line cut off by closing is torn: the mark stays for the next daemon.
    if (this.#open === 0 && !this.#socket.destroyed) this.#unmark();
  }

  /** Without space for a mark the line is still written: only a death in the middle of it would be noticed late. */
  #mark(): void {
    try {
      writeFileSync(this.#marker, '', { mode: 0o600 });
    } catch {
      // The disk is full.
    }
  }

  /** A mark that remains costs the next daemon only a new child. */
  #unmark(): void {
    try {
      rmSync(this.#marker, { force: true });
    } catch {
      // The disk fails.
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Writes as much as the pipe has room for; returns the number of bytes. The next write reports errors of the pipe. */
function writeNow(descriptor: number, line: Buffer): number {
  let written = 0;
  try {
    while (written < line.length) written += writeSync(descriptor, line, written);
  } catch {
    // Full (`EAGAIN`), or without a reader.
  }
  return written;
}

const markerOf = (path: string) => `${path}.writing`;

/** Whether an earlier daemon may have died in the middle of a line. */
export const isTorn = (path: string): boolean => existsSync(markerOf(path));
