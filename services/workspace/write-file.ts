import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, lstat, open, rename, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { TextDecoder } from 'node:util';
import type { FileInfo } from '../../protocol/files.js';
import { MAX_UPLOAD_BYTES } from '../../protocol/limits.js';
import type { FilePlace, FileWrite, RequireVersion } from '../ports/workspace.js';
import type { HeldDirectory } from './directory-handle.js';
import { type FileAccess, type Target, temporaryName } from './file-access.js';
import { codeOf, fileError, isLink } from './file-errors.js';
import { descend } from './make-folders.js';
import { fileInfo, isDecodable, versionOf } from './read-file.js';
import { requireInside } from './safe-path.js';

/**
 * Why nothing outside can be written: bytes go only into files created here, by `O_EXCL` and so never through a link,
 * in a directory with a judged handle, through that handle. An existing file is not opened for writing but replaced by
 * a rename within the directory, whatever the name denotes by then: a link is itself replaced, and a file with another
 * hard link keeps its contents there.
 */
const MAKING = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
/** Checks the right to write and changes nothing. */
const PROBING = constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;
const NEW_FILE = 0o666;
const PERMISSIONS = 0o777;

/** Creates a file and missing folders on its path. Rejects with `CONFLICT` when it exists. */
export async function createFile(access: FileAccess, place: FilePlace, bytes: Buffer): Promise<FileInfo> {
  const target = await access.findFolder(place);
  return withFolders(access, target, async (folder) => {
    if (await entryOf(folder, target.name)) throw fileError('CONFLICT', 'must not exist');
    const stats = await makeFile({ folder, name: target.name, mode: NEW_FILE }, (handle) => fill(handle, [bytes]));
    return written(target.names, stats);
  });
}

/** Replaces a file atomically, or creates it. Of two that require the same version one replaces it. */
export async function replaceFile(
  access: FileAccess,
  place: FilePlace,
  { bytes, requireVersion = () => {} }: FileWrite,
): Promise<{ file: FileInfo; created: boolean }> {
  const target = await access.findFolder(place);
  return withFolders(access, target, async (folder) => {
    const { name, scope, names } = target;
    await access.leftovers.sweep(folder);
    // A body is not read for nothing.
    requireVersion((await presentOf(folder, name))?.version);
    const beside = { folder, name: temporaryName(), mode: NEW_FILE };
    let created = false;
    const after = await makeFile(beside, async (handle) => {
      const filled = await fill(handle, bytes);
      await access.entries.alone(`${folder.key}/${name}`, async () => {
        const before = await presentOf(folder, name);
        requireVersion(before?.version);
        created = before === undefined;
        if (before) await takeOver(handle, before.stats);
        await requireInside(folder, scope);
        await rename(folder.entry(beside.name), folder.entry(name));
      });
      return filled;
    });
    return { file: written(names, after), created };
  });
}

/** What is removed, with its held folder. */
export interface Removed {
  folder: HeldDirectory;
  name: string;
  /** The client's path without empty parts. */
  path: string;
  /** Canonical. */
  from: string;
  stats: BigIntStats;
}

/** Removes a file or an empty folder, by `remove` where that is given. */
export async function removeFile(
  access: FileAccess,
  place: FilePlace,
  {
    requireVersion = () => {},
    remove = removeAtOnce,
  }: { requireVersion?: RequireVersion | undefined; remove?: Remove },
): Promise<void> {
  const { spot, scope, names, name } = await access.findFolder(place);
  if (spot.rest.length > 0) throw fileError('NOT_FOUND', 'must exist');
  const folder = await access.hold(spot.path, scope);
  try {
    await access.entries.alone(`${folder.key}/${name}`, async () => {
      const stats = await entryOf(folder, name);
      if (!stats) throw fileError('NOT_FOUND', 'must exist');
      requireVersion(versionOf(stats));
      await remove({ folder, name, path: names.join('/'), from: join(spot.path, name), stats });
    });
  } finally {
    await folder.close();
  }
}

type Remove = (removed: Removed) => Promise<void>;

const removeAtOnce: Remove = ({ folder, name, stats }) =>
  stats.isDirectory() ? rmdir(folder.entry(name)) : unlink(folder.entry(name));

interface Filled {
  stats: BigIntStats;
  isText: boolean;
}

const written = (names: readonly string[], { stats, isText }: Filled): FileInfo =>
  fileInfo({ names, size: Number(stats.size), modifiedMs: Number(stats.mtimeMs), isText, version: versionOf(stats) });

/** The file that would be replaced. Rejects when it is not a file or not writable. */
async function presentOf(folder: HeldDirectory, name: string) {
  if (!(await entryOf(folder, name))) return undefined;
  const stats = await probe(folder.entry(name));
  return { stats, version: versionOf(stats) };
}

/** A file or folder in the held directory; undefined when the name is free. Rejects anything else. */
export async function entryOf(folder: HeldDirectory, name: string): Promise<BigIntStats | undefined> {
  const found = await lstat(folder.entry(name), { bigint: true }).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (found?.isSymbolicLink()) throw isLink();
  if (found && !found.isFile() && !found.isDirectory()) throw fileError('INVALID_REQUEST', 'must be a regular file');
  return found;
}

async function probe(path: string): Promise<BigIntStats> {
  const handle = await open(path, PROBING);
  try {
    const stats = await handle.stat({ bigint: true });
    if (!stats.isFile()) throw fileError('CONFLICT', 'must be a regular file');
    return stats;
  } finally {
    await handle.close();
  }
}

async function takeOver(handle: FileHandle, stats: BigIntStats): Promise<void> {
  const [mode, uid, gid] = [stats.mode, stats.uid, stats.gid].map(Number) as [number, number, number];
  const own = await handle.stat();
  // Fails except for the superuser: the file then belongs to the daemon's user, as with any editor that renames.
  if (own.uid !== uid || own.gid !== gid) await handle.chown(uid, gid).catch(() => undefined);
  await handle.chmod(mode & PERMISSIONS);
}

/** Judges on the way whether it is text. */
async function fill(handle: FileHandle, bytes: FileWrite['bytes']): Promise<Filled> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let [length, isText] = [0, true];
  for await (const piece of bytes) {
    length += piece.length;
    if (length > MAX_UPLOAD_BYTES) throw fileError('PAYLOAD_TOO_LARGE', `must be at most ${MAX_UPLOAD_BYTES} bytes`);
    isText &&= isDecodable(decoder, piece);
    await handle.writeFile(piece);
  }
  await handle.sync();
  return { stats: await handle.stat({ bigint: true }), isText: isText && isDecodable(decoder) };
}

interface NewFile {
  folder: HeldDirectory;
  name: string;
  mode: number;
}

/** Creates and fills the file, and removes it again on failure. */
async function makeFile(
  { folder, name, mode }: NewFile,
  use: (handle: FileHandle) => Promise<Filled>,
): Promise<Filled> {
  const handle = await open(folder.entry(name), MAKING, mode);
  try {
    return await use(handle);
  } catch (error) {
    // The client gets the first failure. The name identifies the file as a leftover.
    await unlink(folder.entry(name)).catch(() => undefined);
    throw error;
  } finally {
    await handle.close();
  }
}

/** Runs with the target's folder; creates its missing parts one inside the other, and removes them again on failure. */
export async function withFolders<Result>(
  access: FileAccess,
  { spot, scope }: Target,
  use: (folder: HeldDirectory) => Promise<Result>,
): Promise<Result> {
  const folder = await access.hold(spot.existing, scope);
  try {
    return await descend({ folder, rest: spot.rest, scope }, use);
  } finally {
    await folder.close();
  }
}
