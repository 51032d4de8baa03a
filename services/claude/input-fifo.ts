import { execFile } from 'node:child_process';
import { closeSync, constants, existsSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** POSIX promises that a write of up to this many bytes (`PIPE_BUF`) into a pipe is whole or not at all. */
const ATOMIC_BYTES = process.platform === 'linux' ? 4096 : 512;

/** Makes a FIFO that only its owner may open. Node has no call for it. */
export async function makeFifo(path: string): Promise<void> {
  await run('mkfifo', ['-m', '600', path]);
}

/** Opens both ends, for the child: it keeps a write end open itself and so never sees end-of-file. */
export const openForChild = (path: string): number => openSync(path, constants.O_RDWR);

/**
 * The writing end of a child's stdin. Lines go out in order. While a line that may not fit in one write is on its
 * way, a marker file says so: a daemon that finds the marker knows that the line may be torn, and has to give up the
 * child. So it lies there no longer than it must: what fits into the pipe is written at once, and not when the event
 * loop comes to it.
 */
export class InputFifo {
  readonly #descriptor: number;
  readonly #socket: Socket;
  readonly #marker: string;
  /** Lines that may be torn now. */
  #open = 0;

  /** Throws `ENXIO` when nobody reads the FIFO. */
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

  /** As it is, with the line feed at its end. */
  writeLine(line: Buffer): void {
    // The descriptor may be another file's by now.
    if (this.#socket.destroyed) return;
    // Lines that wait for one another leave together, and then none of them is a write of its own.
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
    // What closing cuts short is torn: the mark stays for the next daemon.
    if (this.#open === 0 && !this.#socket.destroyed) this.#unmark();
  }

  /** Without a mark, for want of room, the line goes all the same: only a death in the middle of it would be found late. */
  #mark(): void {
    try {
      writeFileSync(this.#marker, '', { mode: 0o600 });
    } catch {
      // The disk is full.
    }
  }

  /** A mark that stays costs the next daemon a new child, no more. */
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

/** Writes what the pipe has room for; returns how many bytes that was. What is wrong with the pipe, the next write tells. */
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
