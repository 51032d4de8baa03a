/** How a file gets into the trash and back: by names alone on one file system, as a copy from and to another one. */
import { chmod, link, lstat, mkdir, open, rename, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { FilePlace, RequireVersion, Restoration, RestoredFile, TrashOwner } from '../../ports/workspace.js';
import { type HeldDirectory, keyOf } from '../directory-handle.js';
import { type FileAccess, temporaryName } from '../file-access.js';
import { codeOf, fileError, outside } from '../file-errors.js';
import { isSecret, versionOf } from '../read-file.js';
import { requireInside } from '../safe-path.js';
import { entryOf, type Removed, removeFile, withFolders } from '../write-file.js';
import type { Trash } from './trash.js';
import { copyFile, forgetRestoring, noteRestoring, partOf, type Restoring, type TrashInfo } from './trash-entry.js';

interface Parts {
  access: FileAccess;
  trash: Trash;
}

const PERMISSIONS = 0o777;

/** Moves a file or an empty folder to the trash. Resolves to its id there. */
export async function moveToTrash(
  { access, trash }: Parts,
  place: FilePlace,
  { sessionId, deviceId, requireVersion }: TrashOwner & { requireVersion?: RequireVersion | undefined },
): Promise<string> {
  let trashId = '';
  const remove = async (removed: Removed) => {
    const { path, from, stats } = removed;
    const isFolder = stats.isDirectory();
    const info = {
      path,
      from,
      type: isFolder ? ('directory' as const) : ('file' as const),
      size: isFolder ? 0 : Number(stats.size),
      mode: Number(stats.mode) & PERMISSIONS,
      deviceId,
      key: keyOf(stats),
      version: versionOf(stats),
    };
    const moveIn = isFolder ? moveFolderIn : (to: string) => moveFileIn(access, removed, to);
    trashId = await trash.add(sessionId, info, (to) => moveIn(to, removed));
  };
  await removeFile(access, place, { requireVersion, remove });
  return trashId;
}

/** A folder that got an entry meanwhile stays. */
async function moveFolderIn(to: string, { folder, name }: Removed): Promise<void> {
  await mkdir(partOf(to, 'copy'));
  await rmdir(folder.entry(name));
  await rename(partOf(to, 'copy'), partOf(to, 'content'));
}

async function moveFileIn(access: FileAccess, { folder, name, stats }: Removed, to: string): Promise<void> {
  const isMoved = await unlessElsewhere(() => rename(folder.entry(name), partOf(to, 'content')));
  if (isMoved) return;
  // A copy has no mark of where its contents come from.
  if (await isSecret(access, stats)) throw outside();
  const copied = await copyFile(folder.entry(name), partOf(to, 'copy'), Number(stats.mode) & PERMISSIONS);
  await syncFolder(to);
  const now = await lstat(folder.entry(name), { bigint: true });
  const isSame = [copied, now].every((one) => versionOf(one) === versionOf(stats));
  if (!isSame) throw fileError('CONFLICT', 'must not be written while it is deleted');
  await unlink(folder.entry(name));
  await rename(partOf(to, 'copy'), partOf(to, 'content'));
}

/** False when the two places are on different file systems. */
async function unlessElsewhere(move: () => Promise<void>): Promise<boolean> {
  try {
    await move();
    return true;
  } catch (error) {
    if (codeOf(error) === 'EXDEV') return false;
    throw error;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path);
  // Not every file system syncs folders.
  await folder.sync().catch(() => undefined);
  await folder.close();
}

/** Puts a file back. Rejects with `CONFLICT` when something is there. */
export function restoreFromTrash(
  { access, trash }: Parts,
  place: Omit<FilePlace, 'path'>,
  { to, ...which }: Restoration,
): Promise<RestoredFile> {
  return trash.takeOut(which, async (folder, info) => {
    const target = await access.findFolder({ ...place, path: to ?? info.path });
    const { name, scope, names } = target;
    await withFolders(access, target, (into) =>
      access.entries.alone(`${into.key}/${name}`, async () => {
        if (await entryOf(into, name)) throw fileError('CONFLICT', 'must not exist');
        await requireInside(into, scope);
        await (info.type === 'file' ? moveFileOut : moveFolderOut)({ from: folder, into, name, info });
      }),
    );
    return { path: names.join('/'), type: info.type, size: info.size };
  });
}

interface Outgoing {
  from: string;
  into: HeldDirectory;
  name: string;
  info: TrashInfo;
}

async function moveFolderOut({ from, into, name, info }: Outgoing): Promise<void> {
  const content = partOf(from, 'content');
  await chmod(content, info.mode);
  await whileNoted(from, { target: await targetOf(into, name) }, async () => {
    const isMoved = await unlessElsewhere(() => rename(content, into.entry(name)));
    if (!isMoved) await mkdir(into.entry(name), info.mode);
  });
}

const targetOf = async (into: HeldDirectory, name: string): Promise<string> =>
  join((await into.location()) ?? '', name);

/** What it was about to do is forgotten when it fails. */
async function whileNoted(from: string, restoring: Restoring, move: () => Promise<void>): Promise<void> {
  await noteRestoring(from, restoring);
  try {
    await move();
  } catch (error) {
    await forgetRestoring(from);
    throw error;
  }
}

/** Never over something: a link to an existing name fails. */
async function moveFileOut(outgoing: Outgoing): Promise<void> {
  const { from, into, name } = outgoing;
  const content = partOf(from, 'content');
  const target = await targetOf(into, name);
  const key = keyOf(await lstat(content, { bigint: true }));
  await whileNoted(from, { target, key }, async () => {
    const isMoved = await unlessElsewhere(() => linkOrMove(content, into.entry(name)));
    if (!isMoved) await copyOut(outgoing, target);
  });
}

async function copyOut({ from, into, name, info }: Outgoing, target: string): Promise<void> {
  const draft = temporaryName();
  const path = into.entry(draft);
  try {
    await copyFile(partOf(from, 'content'), path, info.mode);
    const key = keyOf(await lstat(path, { bigint: true }));
    await noteRestoring(from, { target, draft: join(target, '..', draft), key });
    await linkOrMove(path, into.entry(name));
  } finally {
    // It is not there when it was moved, or could not be made. What is left has the name of a leftover.
    await unlink(path).catch(() => undefined);
  }
}

const WITHOUT_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/** Where files can have only one name, another program that makes the same file in this instant loses it. */
async function linkOrMove(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (!WITHOUT_LINKS.has(codeOf(error) ?? '')) throw error;
    await rename(from, to);
  }
}
