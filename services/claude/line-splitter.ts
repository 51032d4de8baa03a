/** One line of a byte stream without its newline; offsets count bytes from the stream's start. */
export interface RawLine {
  offset: number;
  end: number;
  bytes: Buffer;
  /** Where in `bytes` a push ended: the line stood there unfinished for a while. */
  seams: number[];
}

const NEWLINE = 0x0a;

/**
 * Cuts a byte stream into lines, keeping where each began. Half a line waits for its rest; one that grows over
 * `maxLineBytes` is dropped as it comes and given as an empty line of that length, so that memory stays bounded.
 */
export class LineSplitter {
  #parts: Buffer[] = [];
  #pending = 0;
  #start: number;
  readonly #maxLineBytes: number;

  constructor(startOffset: number, maxLineBytes: number) {
    this.#start = startOffset;
    this.#maxLineBytes = maxLineBytes;
  }

  /** Bytes of a line whose end has not come. */
  get pending(): number {
    return this.#pending;
  }

  /** Those of them that are kept. */
  get unfinished(): Buffer {
    return Buffer.concat(this.#parts);
  }

  /** Takes the next bytes; the buffer may be reused afterwards. */
  push(chunk: Buffer): RawLine[] {
    const lines: RawLine[] = [];
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      lines.push(this.#finish(chunk.subarray(from, at)));
      from = at + 1;
    }
    if (from < chunk.length) this.#keep(chunk.subarray(from));
    return lines;
  }

  #keep(part: Buffer): void {
    this.#pending += part.length;
    if (this.#pending > this.#maxLineBytes) this.#parts = [];
    else this.#parts.push(Buffer.from(part));
  }

  #finish(last: Buffer): RawLine {
    const length = this.#pending + last.length;
    const tooLong = length > this.#maxLineBytes;
    const bytes = tooLong ? Buffer.alloc(0) : Buffer.concat([...this.#parts, last]);
    const seams = tooLong ? [] : endsOf(this.#parts);
    const offset = this.#start;
    this.#start += length + 1;
    this.#parts = [];
    this.#pending = 0;
    return { offset, end: this.#start, bytes, seams };
  }
}

function endsOf(parts: Buffer[]): number[] {
  let end = 0;
  return parts.map((part) => {
    end += part.length;
    return end;
  });
}
