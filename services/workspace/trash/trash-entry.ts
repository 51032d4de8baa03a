/**
 * A deleted file on the disk: a folder with `info.json`, and the file itself as `content`. Each step leaves a state in
 * which the file is in one place only, or which `recoverEntry` resolves to such a one:
 *
 * - no `content`, no `copy`: it was not moved yet, or not any more. The folder is removed.
 * - `copy`: from another file system. While the original is there, that counts and the copy is removed; without it the
 *   copy becomes the content.
 * - `restoring.json`: when what it names is the file, it is restored; otherwise it is still here.
 */
import { type BigIntStats, constants } from 'node:fs';
import { lstat, mkdir, open, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import * as z from 'zod';
import { keyOf } from '../directory-handle.js';
import { ifSeen } from '../file-errors.js';
import { READING, versionOf } from '../read-file.js';

const infoSchema = z.object({
  /** As the client named it. */
  path: z.string(),
  /** Canonical. */
  from: z.string(),
  type: z.enum(['file', 'directory']),
  size: z.number(),
  mode: z.number(),
  deletedAt: z.number(),
  deviceId: z.string(),
  /** Device and inode, and the version, when it was deleted. */
  key: z.string(),
  version: z.string(),
});
export type TrashInfo = z.infer<typeof infoSchema>;

const restoringSchema = z.object({
  /** Absolute, as is the draft: a copy beside the target, on another file system. */
  target: z.string(),
  draft: z.string().optional(),
  /** Of the file as it is there; absent for an empty folder, of which there is not more to know. */
  key: z.string().optional(),
});
export type Restoring = z.infer<typeof restoringSchema>;

type Part = 'info.json' | 'content' | 'copy' | 'restoring.json';
export const partOf = (folder: string, part: Part): string => join(folder, part);

const OWN_FOLDER = 0o700;
const OWN_FILE = 0o600;

export async function createEntry(folder: string, info: TrashInfo): Promise<void> {
  await mkdir(folder, { recursive: true, mode: OWN_FOLDER });
  await writeFile(partOf(folder, 'info.json'), JSON.stringify(info), { mode: OWN_FILE, flag: 'wx', flush: true });
}

const GONE = '.gone-';
export const isGone = (name: string): boolean => name.startsWith(GONE);

/** At once, as far as others see it. Rejects with the system's error when it cannot be removed. */
export async function removeEntry(folder: string): Promise<void> {
  const gone = join(dirname(folder), `${GONE}${basename(folder)}`);
  await rename(folder, gone);
  await rm(gone, { recursive: true, force: true });
}

export const noteRestoring = (folder: string, restoring: Restoring): Promise<void> =>
  writeFile(partOf(folder, 'restoring.json'), JSON.stringify(restoring), { mode: OWN_FILE, flush: true });

export const forgetRestoring = (folder: string): Promise<void> => rm(partOf(folder, 'restoring.json'), { force: true });

const statusOf = (path: string): Promise<BigIntStats | undefined> => ifSeen(lstat(path, { bigint: true }));

const isSame = (stats: BigIntStats | undefined, key: string): boolean => stats !== undefined && keyOf(stats) === key;

/** What a daemon that died has left here; undefined when that is nothing, which is removed. */
export async function recoverEntry(folder: string): Promise<TrashInfo | undefined> {
  const info = await read(partOf(folder, 'info.json'), infoSchema);
  const copy = await statusOf(partOf(folder, 'copy'));
  let content = await statusOf(partOf(folder, 'content'));
  if (info && copy && !content) content = await settleCopy(folder, info);
  if (info && content && !(await wasRestored(folder))) return info;
  // Without its description it cannot be shown, but it is not thrown away either.
  if (info || !content) await removeEntry(folder);
  return undefined;
}

/** The original counts as long as it is there. */
async function settleCopy(folder: string, { from, key, version }: TrashInfo): Promise<BigIntStats | undefined> {
  const original = await statusOf(from);
  if (original && isSame(original, key) && versionOf(original) === version) return undefined;
  await rename(partOf(folder, 'copy'), partOf(folder, 'content'));
  return statusOf(partOf(folder, 'content'));
}

async function wasRestored(folder: string): Promise<boolean> {
  const restoring = await read(partOf(folder, 'restoring.json'), restoringSchema);
  if (!restoring) return false;
  const { target, draft, key } = restoring;
  const isThat = (stats: BigIntStats | undefined) =>
    key === undefined ? stats?.isDirectory() === true : isSame(stats, key);
  if (draft !== undefined && isThat(await statusOf(draft))) await unlink(draft);
  if (isThat(await statusOf(target))) return true;
  await forgetRestoring(folder);
  return false;
}

async function read<Schema extends z.ZodType>(path: string, schema: Schema): Promise<z.infer<Schema> | undefined> {
  const text = await ifSeen(readFile(path, 'utf8'));
  try {
    return text === undefined ? undefined : schema.parse(JSON.parse(text));
  } catch {
    // A daemon that died while it wrote this has not gone on.
    return undefined;
  }
}

const MAKING = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Copies contents, permissions and times of a regular file to a new one; synced. Resolves to what was copied. */
export async function copyFile(from: string, to: string, mode: number): Promise<BigIntStats> {
  const source = await open(from, READING);
  try {
    const stats = await source.stat({ bigint: true });
    const target = await open(to, MAKING, OWN_FILE);
    try {
      for await (const piece of source.createReadStream({ autoClose: false })) await target.writeFile(piece as Buffer);
      await target.chmod(mode);
      await target.utimes(Number(stats.atimeMs) / MS, Number(stats.mtimeMs) / MS);
      await target.sync();
    } finally {
      await target.close();
    }
    return stats;
  } finally {
    await source.close();
  }
}

const MS = 1000;
