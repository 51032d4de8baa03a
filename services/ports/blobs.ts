/** What is too large to be kept in memory or in a row lies in files beside the journal. */

/** Names the contents of a blob. */
export interface BlobRef {
  id: string;
  bytes: number;
  /** CRC-32 of the contents. */
  sum: number;
}

export interface BlobStore {
  /** Writes and syncs. Rejects with `STORAGE_FULL` when the disk takes no more, and leaves nothing behind then. */
  write(parts: readonly Uint8Array[]): Promise<BlobRef>;
  /** The whole of it. Rejects with `NOT_FOUND` when it is gone or is not as it was written. */
  read(blob: BlobRef): Promise<Buffer>;
  /** The same in pieces of at most 64 KiB, each read when it is asked for; `NOT_FOUND` may come after the first ones. */
  stream(blob: BlobRef): AsyncGenerator<Buffer>;
  /** Ones that are gone already count as removed; what cannot be removed now goes at the next start. */
  remove(ids: readonly string[]): Promise<void>;
}
