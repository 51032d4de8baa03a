import { type FileHandle, open, rename } from 'node:fs/promises';
import { OWN_FILE } from '../disk/own-file.js';

export interface LogFileOptions {
  /** Of the file that is written; older ones are `<path>.1`, `<path>.2` and so on, the oldest last. */
  path: string;
  /** A file that has grown to this size is put aside. */
  maxBytes: number;
  /** How many files there are, the one that is written included. */
  files: number;
  /** The disk takes lines again, after at most so many were lost. */
  onRegained?: (lost: number) => void;
}

/** What waits for a disk that is slow or stuck; more is lost. */
const MAX_WAITING = 1024 * 1024;

/**
 * Appends lines to a file that only its owner may read, and begins anew when it is large. What a full disk does not take
 * is lost, and nothing else: it is tried again with the next line. (The file transport of winston stops for good at the
 * first error, and keeps in memory what comes after it.)
 */
export class LogFile {
  readonly #options: LogFileOptions;
  #waiting: string[] = [];
  #waitingLength = 0;
  #writing: Promise<void> | undefined;
  #file: FileHandle | undefined;
  #size = 0;
  /** A write that failed may have left half a line. */
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

  /** Resolves when all that was taken has been written or lost. */
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
        // Full, or gone: nothing is left to write it to. How many lines were lost is told when it takes some again.
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
    // What it took is on its way to the disk, and what it did not take was counted.
    await file?.close().catch(() => {});
  }

  async #putAside(): Promise<void> {
    const { path, files } = this.#options;
    const nameOf = (age: number) => (age === 0 ? path : `${path}.${age}`);
    // There may be no file of that age yet. One that cannot be renamed grows on: no line is lost for that.
    for (let age = files - 2; age >= 0; age -= 1) await rename(nameOf(age), nameOf(age + 1)).catch(() => {});
  }
}
