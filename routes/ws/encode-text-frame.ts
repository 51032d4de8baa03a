const FINAL_TEXT = 0x81;
/** Payloads of fewer bytes have their length in the second byte, see RFC 6455, section 5.2. */
const LENGTH_IN_16_BITS = 126;
const LENGTH_IN_64_BITS = 127;
const TWO_BYTES = 0x1_00_00;

/**
 * A whole unmasked text message of RFC 6455. `ws` would build header and payload anew for each of its clients; these
 * bytes are built once and written to all sockets.
 */
export function encodeTextFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const header = headerBytes(length);
  const frame = Buffer.allocUnsafe(header + length);
  frame[0] = FINAL_TEXT;
  if (header === 2) frame[1] = length;
  else if (header === 4) {
    frame[1] = LENGTH_IN_16_BITS;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = LENGTH_IN_64_BITS;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.write(text, header);
  return frame;
}

function headerBytes(length: number): 2 | 4 | 10 {
  if (length < LENGTH_IN_16_BITS) return 2;
  return length < TWO_BYTES ? 4 : 10;
}
