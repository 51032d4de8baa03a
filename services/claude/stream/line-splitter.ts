/** One line of a byte stream without its newline; offsets count bytes from the stream's start. */
export interface RawLine {
  offset: number;
  end: number;
  bytes: Buffer;
  /** Positions in `bytes` where a push ended: the line was incomplete there for a while. */
  seams: number[];
}

const NEWLINE = 0x0a;

/**
 * Splits a byte stream into lines with their offsets. A partial line waits for its rest; one that exceeds
 * `maxLineBytes` is dropped as it arrives and returned as an empty line of that length, so that memory stays bounded.
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

  /** The byte count of the incomplete line. */
  get pending(): number {
    return this.#pending;
  }

  /** Where the incomplete line, or else the next one, begins. */
  get start(): number {
    return this.#start;
  }

  /** The kept bytes of the incomplete line. */
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
