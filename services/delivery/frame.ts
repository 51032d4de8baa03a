/** A frame on its way. Its text is built, and brought into the form of the transport, once for all who get it. */
export class Frame {
  #build: (() => string) | undefined;
  #encoded: Uint8Array | undefined;

  constructor(build: () => string) {
    this.#build = build;
  }

  /** What the transport writes. All transports share the form that the first one gave it. */
  encoded(encode: (text: string) => Uint8Array): Uint8Array {
    if (this.#encoded) return this.#encoded;
    this.#encoded = encode(this.#build?.() ?? '');
    this.#build = undefined;
    return this.#encoded;
  }
}
