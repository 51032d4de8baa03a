import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { OWN_FILE } from '../../../disk/own-file.js';
import { CompanionError } from '../../../protocol/error-codes.js';
import { toStorageError } from '../../../protocol/failures.js';
import { MAX_INLINE_PROMPT_BYTES } from '../../../protocol/limits.js';
import type { BlobRef, BlobStore } from '../../ports/blobs.js';
import type {
  EventRecord,
  KeptChange,
  KeptContents,
  NewEvent,
  PromptBody,
  PromptContents,
  SessionChange,
} from '../../ports/records.js';

/** The blobs of one journal. A file is written under its final name and has no owner until a row names it. */
export interface BlobFiles extends BlobStore {
  /** Like `write`; only for startup, where blocking is harmless. */
  writeSync(parts: readonly Uint8Array[]): BlobRef;
  /** Removes every blob not in this set, such as those left by a killed daemon. Returns the number removed. */
  sweep(named: ReadonlySet<string>): number;
}

const PIECE_BYTES = 64 * 1024;
const OWNER_FOLDER = 0o700;
/** Our own file names; any other file in the folder is left alone. */
const ID = /^[0-9a-f]{32}$/;
const WHAT = 'What was sent';

/** Opens the blobs beside the journal at this path. The folder is created with the first blob. */
export function openBlobFiles(journalPath: string): BlobFiles {
  const folder = `${journalPath}.blobs`;
  const pathOf = (id: string) => join(folder, basename(id));
  return {
    write: async (parts) => {
      await makeFolder(folder);
      const id = newId();
      try {
        return { id, ...(await writeFile(pathOf(id), parts)) };
      } catch (error) {
        // The first failure is reported; the next start sweeps the leftovers.
        await rm(pathOf(id), { force: true }).catch(() => {});
        throw toStorageError(WHAT, error);
      }
    },
    writeSync: (parts) => {
      mkdirSync(folder, { recursive: true, mode: OWNER_FOLDER });
      const id = newId();
      return { id, ...writeFileSync(pathOf(id), parts) };
    },
    read: async (blob) => {
      const pieces: Buffer[] = [];
      for await (const piece of streamFile(pathOf(blob.id), blob)) pieces.push(piece);
      return Buffer.concat(pieces, blob.bytes);
    },
    stream: (blob) => streamFile(pathOf(blob.id), blob),
    remove: async (ids) => {
      // No row names these any more: the next start sweeps the leftovers.
      await Promise.all(ids.map((id) => rm(pathOf(id), { force: true }).catch(() => {})));
    },
    sweep: (named) => {
      const strays = namesIn(folder).filter((name) => ID.test(name) && !named.has(name));
      for (const name of strays) rmSync(pathOf(name), { force: true });
      return strays.length;
    },
  };
}

const newId = (): string => randomBytes(16).toString('hex');

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** The new folder's directory entry must survive a machine crash as well. */
async function makeFolder(folder: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true, mode: OWNER_FOLDER }).catch((error: unknown) => {
    throw toStorageError(WHAT, error);
  });
  if (made !== undefined) await syncFolder(dirname(folder));
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

type Written = Omit<BlobRef, 'id'>;

async function writeFile(path: string, parts: readonly Uint8Array[]): Promise<Written> {
  const handle = await open(path, 'wx', OWN_FILE);
  try {
    let written: Written = { bytes: 0, sum: 0 };
    for (const piece of piecesOf(parts)) {
      await writePiece(handle, piece);
      written = after(written, piece);
    }
    await handle.sync();
    await syncFolder(dirname(path));
    return written;
  } finally {
    await handle.close();
  }
}

async function writePiece(handle: FileHandle, piece: Uint8Array): Promise<void> {
  for (let at = 0; at < piece.length; ) at += (await handle.write(piece, at)).bytesWritten;
}

function writeFileSync(path: string, parts: readonly Uint8Array[]): Written {
  const descriptor = openSync(path, 'wx', OWN_FILE);
  try {
    let written: Written = { bytes: 0, sum: 0 };
    for (const piece of piecesOf(parts)) {
      for (let at = 0; at < piece.length; ) at += writeSync(descriptor, piece, at);
      written = after(written, piece);
    }
    fsyncSync(descriptor);
    return written;
  } catch (error) {
    rmSync(path, { force: true });
    throw toStorageError(WHAT, error);
  } finally {
    closeSync(descriptor);
  }
}

const after = ({ bytes, sum }: Written, piece: Uint8Array): Written => ({
  bytes: bytes + piece.length,
  sum: crc32(piece, sum),
});

const WRITE_BYTES = 1024 * 1024;

/** The size of one write: computing its checksum must not block the event loop. */
function* piecesOf(parts: readonly Uint8Array[]): Generator<Uint8Array> {
  for (const part of parts) {
    for (let at = 0; at < part.length; at += WRITE_BYTES) yield part.subarray(at, at + WRITE_BYTES);
  }
}

async function* streamFile(path: string, { bytes, sum }: BlobRef): AsyncGenerator<Buffer> {
  const handle = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT' ? lost() : error;
  });
  try {
    if ((await handle.stat()).size !== bytes) throw lost();
    let read: Written = { bytes: 0, sum: 0 };
    while (read.bytes < bytes) {
      const size = Math.min(PIECE_BYTES, bytes - read.bytes);
      const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(size), 0, size, read.bytes);
      if (bytesRead === 0) throw lost();
      const piece = buffer.subarray(0, bytesRead);
      read = after(read, piece);
      // The last piece is withheld until the checksum is verified.
      if (read.bytes === bytes && read.sum !== sum) throw lost();
      yield piece;
    }
  } finally {
    await handle.close();
  }
}

const lost = () => new CompanionError('NOT_FOUND', 'Its contents are missing from the disk or damaged.');

/**
 * Writes the full data of cut events beside the journal, synced; the rows name the blobs. Rejects with `STORAGE_FULL`,
 * leaving nothing.
 */
export async function keepEvents(blobs: BlobStore, change: SessionChange): Promise<KeptChange> {
  const events: EventRecord[] = [];
  try {
    for (const event of change.events) events.push(await keepEvent(blobs, event));
  } catch (error) {
    await blobs.remove(idsOf(events));
    throw error;
  }
  return { ...change, events };
}

async function keepEvent(blobs: BlobStore, { whole, ...event }: NewEvent): Promise<EventRecord> {
  return whole === undefined ? event : { ...event, blob: await blobs.write([Buffer.from(whole)]) };
}

/** The blobs named by these events. */
export const idsOf = (events: readonly EventRecord[]): string[] => events.flatMap(({ blob }) => blob?.id ?? []);

/** The blobs named in a column of rows. */
export const blobIds = (columns: readonly (string | null)[]): string[] =>
  columns.flatMap((column) => (column === null ? [] : (JSON.parse(column) as BlobRef).id));

/** Beginning of a longer text that the record keeps, in UTF-16 units: enough to tell prompts apart. */
const KEPT_TEXT_UNITS = 1000;

/** The record's part of a prompt, and the parts of the blob with the rest; no parts when there is no rest. */
export interface SplitContents {
  text: string;
  parts: Uint8Array[];
  shape: Pick<PromptBody, 'textBytes' | 'images'>;
}

export function splitContents({ text, images }: PromptContents): SplitContents {
  const isLong = Buffer.byteLength(text) > MAX_INLINE_PROMPT_BYTES;
  const bytes = isLong ? Buffer.from(text) : Buffer.alloc(0);
  return {
    text: isLong ? beginningOf(text) : text,
    parts: [...(isLong ? [bytes] : []), ...images.map(({ data }) => data)],
    shape: {
      textBytes: bytes.length,
      images: images.map(({ mediaType, data }) => ({ mediaType, bytes: data.length })),
    },
  };
}

const beginningOf = (text: string): string => text.slice(0, KEPT_TEXT_UNITS).replace(/[\ud800-\udbff]$/, '');

/** Stores beside the journal what is too large to keep in memory. Rejects with `STORAGE_FULL`. */
export async function keepContents(blobs: BlobStore, contents: PromptContents): Promise<KeptContents> {
  const { text, parts, shape } = splitContents(contents);
  return parts.length === 0 ? { text } : { text, body: { ...(await blobs.write(parts)), ...shape } };
}

/** Rejects with `NOT_FOUND` when the blob is missing or damaged. */
export async function readContents(blobs: BlobStore, { text, body }: KeptContents): Promise<PromptContents> {
  if (!body) return { text, images: [] };
  const bytes = await blobs.read(body);
  let at = body.textBytes;
  const images = body.images.map(({ mediaType, bytes: length }) => {
    const data = bytes.subarray(at, at + length);
    at += length;
    return { mediaType, data };
  });
  return { text: body.textBytes === 0 ? text : bytes.toString('utf8', 0, body.textBytes), images };
}
