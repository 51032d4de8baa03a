import { isUtf8 } from 'node:buffer';
import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, rename, rmdir, unlink } from 'node:fs/promises';
import type { FileInfo } from '../../protocol/files.js';
import type { FilePlace } from '../ports/workspace.js';
import type { HeldDirectory } from './directory-handle.js';
import type { FileAccess, Target } from './file-access.js';
import { codeOf, fileError, isLink } from './file-errors.js';
import { fileInfo } from './file-info.js';
import { temporaryName } from './leftovers.js';
import { holdChild, requireInside, type Scope } from './safe-path.js';

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
    const stats = await makeFile({ folder, name: target.name, mode: NEW_FILE }, (handle) => fill(handle, bytes));
    return written(target.names, bytes, stats);
  });
}

/** Replaces a file atomically, or creates it. */
export async function replaceFile(
  access: FileAccess,
  place: FilePlace,
  bytes: Buffer,
): Promise<{ file: FileInfo; created: boolean }> {
  const target = await access.findFolder(place);
  return withFolders(access, target, async (folder) => {
    const { name, scope, names } = target;
    await access.leftovers.sweep(folder);
    const before = (await entryOf(folder, name)) && (await probe(folder.entry(name)));
    const beside = { folder, name: temporaryName(), mode: NEW_FILE };
    const stats = await makeFile(beside, async (handle) => {
      if (before) await takeOver(handle, before);
      const after = await fill(handle, bytes);
      await requireInside(folder, scope);
      await rename(folder.entry(beside.name), folder.entry(name));
      return after;
    });
    return { file: written(names, bytes, stats), created: before === undefined };
  });
}

/** Removes a file or an empty folder. */
export async function removeFile(access: FileAccess, place: FilePlace): Promise<void> {
  const { spot, scope, name } = await access.findFolder(place);
  if (spot.rest.length > 0) throw fileError('NOT_FOUND', 'must exist');
  const folder = await access.hold(spot.path, scope);
  try {
    const entry = await entryOf(folder, name);
    if (!entry) throw fileError('NOT_FOUND', 'must exist');
    if (!entry.isDirectory()) return await unlink(folder.entry(name));
    await rmdir(folder.entry(name));
  } finally {
    await folder.close();
  }
}

const written = (names: readonly string[], bytes: Buffer, { size, mtimeMs }: Stats): FileInfo =>
  fileInfo({ names, size, modifiedMs: mtimeMs, isText: isUtf8(bytes) });

/** A file or folder in the held directory; undefined when the name is free. Rejects anything else. */
async function entryOf(folder: HeldDirectory, name: string): Promise<Stats | undefined> {
  const found = await lstat(folder.entry(name)).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (found?.isSymbolicLink()) throw isLink();
  if (found && !found.isFile() && !found.isDirectory()) throw fileError('INVALID_REQUEST', 'must be a regular file');
  return found;
}

/** The file to be replaced. Rejects when it is not a file or not writable. */
async function probe(path: string): Promise<Stats> {
  const handle = await open(path, PROBING);
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw fileError('CONFLICT', 'must be a regular file');
    return stats;
  } finally {
    await handle.close();
  }
}

async function takeOver(handle: FileHandle, { mode, uid, gid }: Stats): Promise<void> {
  const own = await handle.stat();
  // Fails except for the superuser: the file then belongs to the daemon's user, as with any editor that renames.
  if (own.uid !== uid || own.gid !== gid) await handle.chown(uid, gid).catch(() => undefined);
  await handle.chmod(mode & PERMISSIONS);
}

async function fill(handle: FileHandle, bytes: Buffer): Promise<Stats> {
  await handle.writeFile(bytes);
  await handle.sync();
  return handle.stat();
}

interface NewFile {
  folder: HeldDirectory;
  name: string;
  mode: number;
}

/** Creates and fills the file, and removes it again on failure. */
async function makeFile({ folder, name, mode }: NewFile, use: (handle: FileHandle) => Promise<Stats>): Promise<Stats> {
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

interface Descent {
  folder: HeldDirectory;
  rest: readonly string[];
  scope: Scope;
}

/** Runs with the target's folder; creates its missing parts one inside the other, and removes them again on failure. */
async function withFolders<Result>(
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

async function descend<Result>(
  { folder, rest, scope }: Descent,
  use: (folder: HeldDirectory) => Promise<Result>,
): Promise<Result> {
  const [name, ...deeper] = rest;
  if (name === undefined) return use(folder);
  const isMade = await makeFolder(folder.entry(name));
  try {
    const child = await holdChild(folder, name, scope);
    try {
      return await descend({ folder: child, rest: deeper, scope }, use);
    } finally {
      await child.close();
    }
  } catch (error) {
    // The client gets the first failure. A folder that is no longer empty stays.
    if (isMade) await rmdir(folder.entry(name)).catch(() => undefined);
    throw error;
  }
}

/** Accepts a folder that another process has just created. A link in its place is detected by the next open. */
async function makeFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}
