/** Collects bytes for a socket during a tick. */
export interface Collector {
  /** Writes the collected bytes; `join` merges several buffers into one. */
  flush(join: (parts: Uint8Array[]) => Uint8Array): void;
}

/**
 * Writes the frames of one tick to each socket at once. Many connections collect identical frames, which are joined
 * into one buffer for all of them.
 */
export class TickWriter {
  #collectors: Collector[] = [];

  /** The collector is flushed when the current work, promises included, is done. */
  schedule(collector: Collector): void {
    this.#collectors.push(collector);
    if (this.#collectors.length === 1) process.nextTick(() => this.#flush());
  }

  #flush(): void {
    const collectors = this.#collectors;
    this.#collectors = [];
    let last: Uint8Array[] = [];
    let joined: Uint8Array = new Uint8Array();
    const join = (parts: Uint8Array[]): Uint8Array => {
      if (isSame(parts, last)) return joined;
      last = parts;
      joined = joinParts(parts);
      return joined;
    };
    for (const collector of collectors) collector.flush(join);
  }
}

/** Merges several buffers, without a copy where there is only one. */
export const joinParts = (parts: Uint8Array[]): Uint8Array =>
  parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);

const isSame = (parts: Uint8Array[], others: Uint8Array[]): boolean =>
  parts.length === others.length && parts.every((part, index) => part === others[index]);
