/** Encodes the text of a frame for one transport. The same encoding always uses the same function. */
export type Encoder = (text: string) => Uint8Array;

/**
 * A frame to be sent. Its text is built once, and encoded once per encoding for all its receivers. `build` must return
 * the same text each time.
 */
export class Frame {
  readonly #build: () => string;
  /** There is nearly always one encoding: a map per frame would cost more than the frame. */
  #encoder: Encoder | undefined;
  #encoded: Uint8Array | undefined;
  #others: Map<Encoder, Uint8Array> | undefined;

  constructor(build: () => string) {
    this.#build = build;
  }

  /** The bytes that the transport writes. */
  encoded(encode: Encoder): Uint8Array {
    if (this.#encoded && this.#encoder === encode) return this.#encoded;
    if (this.#encoded) return this.#inAnotherForm(encode);
    this.#encoder = encode;
    this.#encoded = encode(this.#build());
    return this.#encoded;
  }

  #inAnotherForm(encode: Encoder): Uint8Array {
    this.#others ??= new Map();
    const known = this.#others.get(encode);
    if (known) return known;
    const bytes = encode(this.#build());
    this.#others.set(encode, bytes);
    return bytes;
  }
}
