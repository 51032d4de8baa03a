import { type FileHandle, open, rename } from 'node:fs/promises';
import { OWN_FILE } from '../disk/own-file.js';

export interface LogFileOptions {
  /** Path of the current file; older ones are `<path>.1`, `<path>.2` and so on, the oldest last. */
  path: string;
  /** A file of this size is rotated. */
  maxBytes: number;
  /** The number of files, including the current one. */
  files: number;
  /** The disk accepts lines again, after at most this many were lost. */
  onRegained?: (lost: number) => void;
}

/** Maximum bytes buffered for a slow or stuck disk; more is lost. */
const MAX_WAITING = 1024 * 1024;

/**
 * Appends lines to a file that only its owner can read, and rotates it when it is large. Lines that a full disk refuses
 * are lost, but no others: the next line is tried again. (The file transport of winston stops for good at the first
 * error, and keeps all later lines in memory.)
 */
export class LogFile {
  readonly #options: LogFileOptions;
  #waiting: string[] = [];
  #waitingLength = 0;
  #writing: Promise<void> | undefined;
  #file: FileHandle | undefined;
  #size = 0;
  /** A failed write can have left half a line. */
  #torn = false;
  #lost = 0;

  constructor(options: LogFileOptions) {
    this.#options = options;
  }

  /** Takes one line, without its newline. Never fails. */
  write(line: string): void {
    if (this.#waitingLength > MAX_WAITING) {
      this.#lost += 1;
      return;
    }
    this.#waiting.push(`${line}\n`);
    this.#waitingLength += line.length;
    this.#writing ??= this.#writeAll();
  }

  /** Resolves when every line taken has been written or lost. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#letGo();
  }

  /** Always awaits at least once, so that `#writing` is set before it is cleared. */
  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const lines = this.#waiting.length;
      const text = this.#waiting.join('');
      this.#waiting = [];
      this.#waitingLength = 0;
      try {
        await this.#append(this.#torn ? `\n${text}` : text);
        this.#torn = false;
        this.#tellLost();
      } catch {
        // The disk is full or gone, so this cannot be logged. The number of lost lines is reported on recovery.
        this.#torn = true;
        this.#lost += lines;
        await this.#letGo();
      }
    }
    this.#writing = undefined;
  }

  #tellLost(): void {
    const lost = this.#lost;
    this.#lost = 0;
    if (lost > 0) this.#options.onRegained?.(lost);
  }

  async #append(text: string): Promise<void> {
    const file = await this.#opened();
    await file.appendFile(text);
    this.#size += Buffer.byteLength(text);
    if (this.#size < this.#options.maxBytes) return;
    await this.#letGo();
    await this.#putAside();
  }

  async #opened(): Promise<FileHandle> {
    if (!this.#file) {
      this.#file = await open(this.#options.path, 'a', OWN_FILE);
      this.#size = (await this.#file.stat()).size;
    }
    return this.#file;
  }

  async #letGo(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    // Accepted lines are on their way to the disk, and refused ones were counted.
    await file?.close().catch(() => {});
  }

  async #putAside(): Promise<void> {
    const { path, files } = this.#options;
    const nameOf = (age: number) => (age === 0 ? path : `${path}.${age}`);
    // A file of that age need not exist yet. A file that cannot be renamed keeps growing: no line is lost.
    for (let age = files - 2; age >= 0; age -= 1) await rename(nameOf(age), nameOf(age + 1)).catch(() => {});
  }
}
