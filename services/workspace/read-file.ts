import { isUtf8 } from 'node:buffer';
import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import type { FileContent } from '../../protocol/files.js';
import { MAX_FILE_READ_BYTES } from '../../protocol/limits.js';
import type { FilePlace } from '../ports/workspace.js';
import { keyOf } from './directory-handle.js';
import type { FileAccess, Reached } from './file-access.js';
import { fileError, isLink, missing, outside } from './file-errors.js';
import { fileInfo } from './file-info.js';

/** Opening waits for nobody (a FIFO has no writer) and makes no terminal ours. */
const READING = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

/** The whole of a regular file, up to `MAX_FILE_READ_BYTES`. */
export async function readFile(access: FileAccess, place: FilePlace): Promise<FileContent> {
  const target = await access.find(place);
  if (target.spot.rest.length > 0) throw missing();
  if (target.names.length === 0 || target.spot.path === target.directory) throw notRegular();
  return access.within(target, (reached) => readEntry(access, reached));
}

async function readEntry(access: FileAccess, { folder, name, names }: Reached): Promise<FileContent> {
  // Devices may do something as soon as they are opened; of what comes in between, the handle tells.
  requireRegular(await lstat(folder.entry(name), { bigint: true }));
  const handle = await open(folder.entry(name), READING);
  try {
    const stats = await handle.stat({ bigint: true });
    requireRegular(stats);
    if (stats.nlink > 1n && (await access.forbiddenKeys()).has(keyOf(stats))) throw outside();
    const bytes = await readBounded(handle, stats);
    const isText = isUtf8(bytes);
    const encoding = isText ? 'utf-8' : 'base64';
    const info = fileInfo({ names, size: bytes.length, modifiedMs: Number(stats.mtimeMs), isText });
    return { ...info, content: bytes.toString(encoding), encoding };
  } finally {
    await handle.close();
  }
}

function requireRegular(stats: BigIntStats): void {
  if (stats.isSymbolicLink()) throw isLink();
  if (!stats.isFile()) throw notRegular();
}

const notRegular = () => fileError('INVALID_REQUEST', 'must be a regular file');

/** A file may grow while it is read: what counts is what was read. */
async function readBounded(handle: FileHandle, { size }: BigIntStats): Promise<Buffer> {
  if (size > MAX_FILE_READ_BYTES) throw tooLarge();
  const buffer = Buffer.alloc(Number(size) + 1);
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length);
    if (bytesRead === 0) return buffer.subarray(0, length);
    length += bytesRead;
  }
  throw fileError('CONFLICT', 'must not be written while it is read');
}

const tooLarge = () => fileError('PAYLOAD_TOO_LARGE', `must be at most ${MAX_FILE_READ_BYTES} bytes`);
