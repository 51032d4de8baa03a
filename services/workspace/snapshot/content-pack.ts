/** File contents in one file: compressed together in chunks, since most are small. */
import { closeSync, existsSync, fstatSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { deflateSync, inflateSync } from 'node:zlib';
import { markOwnSync, OWN_FILE } from '../../../disk/own-file.js';

/** Where a content is: its chunk in the file, and its part of the uncompressed chunk. */
export type Kept = [at: number, bytes: number, start: number, length: number];

const CHUNK_BYTES = 32 * 1024;
const FASTEST = 1;

/** Holds an open file: must be closed. */
export class ContentPack {
  readonly path: string;
  readonly #file: number;
  #size: number;
  #waiting: { content: Uint8Array; kept: Kept }[] = [];
  #waitingBytes = 0;
  #chunk: { at: number; bytes: Buffer } | undefined;

  constructor(path: string) {
    this.path = path;
    const isNew = !existsSync(path);
    this.#file = openSync(path, 'a+', OWN_FILE);
    if (isNew) markOwnSync(path);
    this.#size = fstatSync(this.#file).size;
  }

  get size(): number {
    return this.#size;
  }

  /** The place is complete after the next `flush`. */
  add(content: Uint8Array): Kept {
    const kept: Kept = [0, 0, this.#waitingBytes, content.length];
    this.#waiting.push({ content, kept });
    this.#waitingBytes += content.length;
    if (this.#waitingBytes >= CHUNK_BYTES) this.flush();
    return kept;
  }

  flush(): void {
    if (this.#waiting.length === 0) return;
    const chunk = deflateSync(Buffer.concat(this.#waiting.map(({ content }) => content)), { level: FASTEST });
    for (let written = 0; written < chunk.length; ) written += writeSync(this.#file, chunk, written);
    for (const { kept } of this.#waiting) {
      kept[0] = this.#size;
      kept[1] = chunk.length;
    }
    this.#size += chunk.length;
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  /** Undefined when it is damaged, as after a crash of the machine. */
  read([at, bytes, start, length]: Kept): Uint8Array | undefined {
    try {
      if (this.#chunk?.at !== at) this.#chunk = { at, bytes: inflateSync(this.#readChunk(at, bytes)) };
    } catch {
      // Whatever is wrong with the chunk: its contents are unknown.
      return undefined;
    }
    const content = this.#chunk?.bytes.subarray(start, start + length);
    return content?.length === length ? content : undefined;
  }

  close(): void {
    closeSync(this.#file);
  }

  remove(): void {
    this.close();
    rmSync(this.path, { force: true });
  }

  #readChunk(at: number, bytes: number): Buffer {
    const chunk = Buffer.alloc(bytes);
    return chunk.subarray(0, readSync(this.#file, chunk, 0, bytes, at));
  }
}
