import { execFile } from 'node:child_process';
import { closeSync, constants, existsSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** POSIX promises that a write of up to this many bytes into a pipe is whole or not at all (Linux: 4096, macOS: 512). */
const ATOMIC_BYTES = 512;

/** Makes a FIFO that only its owner may open. Node has no call for it. */
export async function makeFifo(path: string): Promise<void> {
  await run('mkfifo', ['-m', '600', path]);
}

/** Opens both ends, for the child: it keeps a write end open itself and so never sees end-of-file. */
export const openForChild = (path: string): number => openSync(path, constants.O_RDWR);

/**
 * The writing end of a child's stdin. Lines go out in order. While a line that may not fit in one write is on its
 * way, a marker file says so: a daemon that finds the marker knows that the line may be torn.
 */
export class InputFifo {
  readonly #socket: Socket;
  readonly #marker: string;
  #longLines = 0;

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
    this.#socket.on('error', onError);
    this.#socket.unref();
  }

  write(message: object): void {
    const line = Buffer.from(`${JSON.stringify(message)}\n`);
    if (line.length <= ATOMIC_BYTES) {
      this.#socket.write(line);
      return;
    }
    if (this.#longLines === 0) writeFileSync(this.#marker, '', { mode: 0o600 });
    this.#longLines += 1;
    this.#socket.write(line, () => {
      this.#longLines -= 1;
      if (this.#longLines === 0) rmSync(this.#marker, { force: true });
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}

const markerOf = (path: string) => `${path}.writing`;

/** Whether an earlier daemon may have died in the middle of a line. */
export const isTorn = (path: string): boolean => existsSync(markerOf(path));
