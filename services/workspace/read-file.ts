import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import { StringDecoder } from 'node:string_decoder';
import { TextDecoder } from 'node:util';
import { crc32 } from 'node:zlib';
import { lookup } from 'mime-types';
import { isMarked } from '../../disk/own-file.js';
import type { FileInfo } from '../../protocol/files.js';
import { MAX_FILE_READ_BYTES } from '../../protocol/limits.js';
import type { FilePlace, OpenBytes, OpenFile } from '../ports/workspace.js';
import { keyOf } from './directory-handle.js';
import type { FileAccess, Reached } from './file-access.js';
import { fileError, isLink, missing, outside } from './file-errors.js';

/** Opening must not block (a FIFO can have no writer) nor acquire a controlling terminal. */
export const READING = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

/** A multiple of three bytes encodes to whole base64 groups, so pieces can be concatenated. */
const PIECE_BYTES = 48 * 1024;

/** A whole regular file, up to `MAX_FILE_READ_BYTES`. */
export const readFile = (access: FileAccess, place: FilePlace): Promise<OpenFile> =>
  openFile({ access, place }, async ({ handle, stats, names }) => {
    if (stats.size > MAX_FILE_READ_BYTES) throw tooLarge();
    const seen = await lookThrough(handle, Number(stats.size));
    const { size, isText } = seen;
    return {
      info: fileInfo({ names, size, modifiedMs: Number(stats.mtimeMs), isText, version: versionOf(stats) }),
      encoding: isText ? 'utf-8' : 'base64',
      pieces: () => piecesOf(handle, seen),
      close: () => handle.close(),
    };
  });

/** A regular file of any size. Its kind is judged by its beginning. */
export const openBytes = (access: FileAccess, place: FilePlace): Promise<OpenBytes> =>
  openFile({ access, place }, async ({ handle, stats, names }) => {
    const size = Number(stats.size);
    const decoder = new TextDecoder('utf-8', { fatal: true });
    let isText = true;
    for await (const piece of rawPieces(handle, 0, Math.min(size, PIECE_BYTES))) isText = isDecodable(decoder, piece);
    return {
      info: fileInfo({ names, size, modifiedMs: Number(stats.mtimeMs), isText, version: versionOf(stats) }),
      pieces: (from, to) => rawPieces(handle, from, to),
      close: () => handle.close(),
    };
  });

interface Opened {
  handle: FileHandle;
  stats: BigIntStats;
  names: readonly string[];
}

/** Closes the file when `use` rejects. */
async function openFile<Result>(
  { access, place }: { access: FileAccess; place: FilePlace },
  use: (opened: Opened) => Promise<Result>,
): Promise<Result> {
  const target = await access.find(place);
  if (target.spot.rest.length > 0) throw missing();
  if (target.names.length === 0 || target.spot.path === target.directory) throw notRegular();
  return access.within(target, (reached) => openEntry(access, reached, use));
}

async function openEntry<Result>(
  access: FileAccess,
  { folder, name, names }: Reached,
  use: (opened: Opened) => Promise<Result>,
): Promise<Result> {
  // `lstat` comes first, since opening a device can have effects; the handle detects a swap in between.
  requireRegular(await lstat(folder.entry(name), { bigint: true }));
  const handle = await open(folder.entry(name), READING);
  try {
    const stats = await handle.stat({ bigint: true });
    requireRegular(stats);
    if (await isSecret(access, stats)) throw outside();
    return await use({ handle, stats, names });
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** A hard link can outlive a file of the home; then only the mark identifies it. */
export async function isSecret(access: FileAccess, stats: BigIntStats): Promise<boolean> {
  if (isMarked(Number(stats.mode))) return true;
  return stats.nlink > 1n && (await access.forbiddenKeys()).has(keyOf(stats));
}

function requireRegular(stats: BigIntStats): void {
  if (stats.isSymbolicLink()) throw isLink();
  if (!stats.isFile()) throw notRegular();
}

const notRegular = () => fileError('INVALID_REQUEST', 'must be a regular file');

interface Seen {
  size: number;
  isText: boolean;
  /** CRC-32: ensures that the sent content is the examined one. */
  sum: number;
}

/** A first pass, since the encoding is sent before the contents. It holds one piece at a time. */
async function lookThrough(handle: FileHandle, expected: number): Promise<Seen> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let [size, sum, isText] = [0, 0, true];
  for await (const piece of rawPieces(handle, 0, expected + 1)) {
    size += piece.length;
    sum = crc32(piece, sum);
    isText &&= isDecodable(decoder, piece);
  }
  if (size > expected) throw changed();
  return { size, sum, isText: isText && isDecodable(decoder) };
}

/** A piece can end within a character; the whole text (no piece) cannot. */
export function isDecodable(decoder: TextDecoder, piece?: Uint8Array): boolean {
  try {
    decoder.decode(piece, { stream: piece !== undefined });
    return true;
  } catch {
    // This is how the decoder reports invalid text.
    return false;
  }
}

async function* piecesOf(handle: FileHandle, { size, sum: expected, isText }: Seen): AsyncGenerator<string> {
  const decoder = new StringDecoder(isText ? 'utf8' : 'base64');
  let [length, sum] = [0, 0];
  for await (const piece of rawPieces(handle, 0, size)) {
    length += piece.length;
    sum = crc32(piece, sum);
    if (length === size && sum !== expected) throw changed();
    yield decoder.write(piece);
  }
  if (length < size) throw changed();
  yield decoder.end();
}

/** The bytes from one offset up to another: fewer if the file is shorter. */
async function* rawPieces(handle: FileHandle, from: number, to: number): AsyncGenerator<Buffer> {
  for (let at = from; at < to; ) {
    const size = Math.min(PIECE_BYTES, to - at);
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(size), 0, size, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

const changed = () => fileError('CONFLICT', 'must not be written while it is read');

const tooLarge = () => fileError('PAYLOAD_TOO_LARGE', `must be at most ${MAX_FILE_READ_BYTES} bytes`);

interface Known {
  names: readonly string[];
  size: number;
  modifiedMs: number;
  /** Whether its bytes are UTF-8. */
  isText: boolean;
  version: string;
}

/** Names the contents of a file: another file and each write have another name. */
export const versionOf = ({ ino, size, mtimeNs }: BigIntStats): string =>
  [ino, size, mtimeNs].map((part) => part.toString(VERSION_BASE)).join('-');

const VERSION_BASE = 36;

/** A file as shown to clients, under the path they used. */
export const fileInfo = ({ names, size, modifiedMs, isText, version }: Known): FileInfo => ({
  path: names.join('/'),
  size,
  mimeType: mimeTypeOf(names.at(-1) ?? '', isText),
  modifiedAt: new Date(modifiedMs).toISOString(),
  version,
});

const TEXTUAL = /^text\/|[/+](json|xml|javascript|yaml|toml|sql|x-sh)\b/;

/** The registered type of `.ts` is a video: when name and bytes disagree, the bytes decide. */
function mimeTypeOf(name: string, isText: boolean): string {
  const byName = lookup(name);
  if (isText) return byName !== false && TEXTUAL.test(byName) ? byName : 'text/plain';
  return byName !== false && !byName.startsWith('text/') ? byName : 'application/octet-stream';
}
