/** Data too large for memory or a row is stored in files beside the journal. */

/** Identifies the contents of a blob. */
export interface BlobRef {
  id: string;
  bytes: number;
  /** CRC-32 of the contents. */
  sum: number;
}

export interface BlobStore {
  /** Writes and syncs. Rejects with `STORAGE_FULL` when the disk is full, and then leaves nothing behind. */
  write(parts: readonly Uint8Array[]): Promise<BlobRef>;
  /** The whole blob. Rejects with `NOT_FOUND` when it is missing or damaged. */
  read(blob: BlobRef): Promise<Buffer>;
  /** The same in pieces of at most 64 KiB, each read on demand; `NOT_FOUND` can come after the first ones. */
  stream(blob: BlobRef): AsyncGenerator<Buffer>;
  /** Missing blobs count as removed; the next start removes those that cannot be removed now. */
  remove(ids: readonly string[]): Promise<void>;
}
