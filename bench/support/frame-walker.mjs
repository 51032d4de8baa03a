/**
 * Walks over the WebSocket frames of one server (RFC 6455, 5.2) without looking at more of a payload than is asked for,
 * so that thousands of clients cost less than what they measure. Servers do not mask.
 */
const SHORT = 126;
const LONG = 127;

export class FrameWalker {
  /** Bytes of a payload that `onFrame` wants to see, as far as the payload has them. */
  wanted = Number.POSITIVE_INFINITY;
  #onFrame;
  /** The beginning of a frame of which too little has come. */
  #rest;
  /** Bytes of the last frame's payload that are still to come. */
  #skip = 0;

  /** `onFrame({opcode, bytes, start, end, length})`: the payload has `length` bytes; `bytes` has it from start to end. */
  constructor(onFrame) {
    this.#onFrame = onFrame;
  }

  /** `bytes` are not kept, they may be used again. */
  push(bytes) {
    const skipped = Math.min(this.#skip, bytes.length);
    this.#skip -= skipped;
    let from = skipped;
    let all = bytes;
    if (this.#rest) {
      all = Buffer.concat([this.#rest, bytes.subarray(from)]);
      from = 0;
      this.#rest = undefined;
    }
    while (from < all.length) {
      const after = this.#take(all, from);
      if (after === undefined) {
        this.#rest = Buffer.from(all.subarray(from));
        return;
      }
      from = after;
    }
  }

  /** Where the next frame begins, or undefined when more of this one is needed. */
  #take(bytes, from) {
    const available = bytes.length - from;
    if (available < 2) return undefined;
    let length = bytes[from + 1];
    let header = 2;
    if (length === SHORT) {
      header = 4;
      if (available < header) return undefined;
      length = bytes.readUInt16BE(from + 2);
    } else if (length === LONG) {
      header = 10;
      if (available < header) return undefined;
      length = Number(bytes.readBigUInt64BE(from + 2));
    }
    const start = from + header;
    if (bytes.length - start < Math.min(length, this.wanted)) return undefined;
    const end = Math.min(bytes.length, start + length);
    this.#skip = start + length - end;
    this.#onFrame({ opcode: bytes[from] & 0x0f, bytes, start, end, length });
    return end;
  }
}

/** A frame as a client sends it: masked, with a mask that changes nothing. */
export function clientFrame(text, opcode = 1) {
  const payload = Buffer.from(text);
  if (payload.length > 0xff_ff) throw new Error('longer frames are not sent here');
  const isShort = payload.length < SHORT;
  const head = Buffer.alloc(isShort ? 6 : 8);
  head[0] = 0x80 | opcode;
  head[1] = 0x80 | (isShort ? payload.length : SHORT);
  if (!isShort) head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}
