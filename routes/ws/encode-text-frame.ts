/** See RFC 6455, section 5.2: the last fragment of a text message, and the same compressed (RFC 7692, section 7.2). */
const FINAL_TEXT = 0x81;
const FINAL_COMPRESSED_TEXT = 0xc1;
/** Payloads of fewer bytes have their length in the second byte. */
const LENGTH_IN_16_BITS = 126;
const LENGTH_IN_64_BITS = 127;
const TWO_BYTES = 0x1_00_00;

/**
 * A whole unmasked text message of RFC 6455. `ws` would build header and payload for each client; these bytes are
 * built once and written to every socket.
 */
export function encodeTextFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const header = headerBytes(length);
  const frame = Buffer.allocUnsafe(header + length);
  writeHeader(frame, FINAL_TEXT, length);
  frame.write(text, header);
  return frame;
}

/** The same of a compressed payload. */
export function encodeCompressedFrame(payload: Uint8Array): Buffer {
  const header = headerBytes(payload.length);
  const frame = Buffer.allocUnsafe(header + payload.length);
  writeHeader(frame, FINAL_COMPRESSED_TEXT, payload.length);
  frame.set(payload, header);
  return frame;
}

function writeHeader(frame: Buffer, first: number, length: number): void {
  const header = headerBytes(length);
  frame[0] = first;
  if (header === 2) {
    frame[1] = length;
  } else if (header === 4) {
    frame[1] = LENGTH_IN_16_BITS;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = LENGTH_IN_64_BITS;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
}

function headerBytes(length: number): 2 | 4 | 10 {
  if (length < LENGTH_IN_16_BITS) return 2;
  return length < TWO_BYTES ? 4 : 10;
}
