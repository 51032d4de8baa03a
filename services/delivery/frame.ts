/** Brings the text of a frame into the form of one transport. Always the same function for the same form. */
export type Encoder = (text: string) => Uint8Array;

/**
 * A frame on its way. Its text is built, and brought into the form of a transport, once for all who get it in that form.
 * `build` gives the same text each time.
 */
export class Frame {
  readonly #build: () => string;
  /** Nearly always there is one form: a map for each frame would cost more than the frame. */
  #encoder: Encoder | undefined;
  #encoded: Uint8Array | undefined;
  #others: Map<Encoder, Uint8Array> | undefined;

  constructor(build: () => string) {
    this.#build = build;
  }

  /** What the transport writes. */
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
