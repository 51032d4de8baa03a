import type { Stats } from 'node:fs';
import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { CompanionError } from '../../protocol/error-codes.js';
import type { FileEntry, FileList } from '../../protocol/files.js';
import { MAX_LISTED_FILES, MAX_LOOKED_AT_FILES } from '../../protocol/limits.js';
import type { FilePlace, ListOptions } from '../ports/workspace.js';
import type { HeldDirectory } from './directory-handle.js';
import type { FileAccess } from './file-access.js';
import { codeOf, fileError, isUnseen, missing } from './file-errors.js';
import { brokenNameRule, MAX_DEPTH } from './file-path.js';
import { type Glob, parseGlob } from './glob.js';
import { holdChild, isAllowed, judge, type Scope } from './safe-path.js';

interface Listing {
  access: FileAccess;
  scope: Scope;
  /** Matches names relative to the listed folder. */
  accepts: Glob;
  recursive: boolean;
  /** The number of names that lead to the listed folder. */
  depth: number;
  files: FileEntry[];
  lookedAt: number;
  truncated: boolean;
}

/** A folder being listed. */
interface Folder {
  held: HeldDirectory;
  /** Its canonical path. */
  path: string;
  /** Path below the listed folder. */
  names: readonly string[];
}

/**
 * Lists a folder, or everything below it; only entries that a client could request by their listed path. Links are
 * resolved for their status, but links to folders are not entered. Sorted by path, unless the list is truncated.
 */
export async function listFiles(access: FileAccess, place: FilePlace, options: ListOptions): Promise<FileList> {
  const { names, scope, spot } = await access.find(place);
  const accepts = options.pattern === undefined ? () => true : parseGlob(options.pattern);
  if (spot.rest.length > 0) throw missing();
  const held = await access.hold(spot.path, scope).catch((error: unknown) => {
    throw codeOf(error) === 'ENOTDIR' ? fileError('INVALID_REQUEST', 'must be a directory') : error;
  });
  const { recursive } = options;
  const found = { access, scope, accepts, recursive, depth: names.length, files: [], lookedAt: 0, truncated: false };
  const listing: Listing = found;
  try {
    await walk(listing, { held, path: spot.path, names: [] });
  } finally {
    await held.close();
  }
  const files = listing.files.map((entry) => ({ ...entry, path: [...names, entry.path].join('/') }));
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return { files, basePath: spot.path, ...(listing.truncated && { truncated: true }) };
}

/** Opens each folder as an entry of its parent, through the parent's handle. */
async function walk(listing: Listing, folder: Folder): Promise<void> {
  const inner: string[] = [];
  for await (const entry of await opendir(folder.held.self())) {
    if (isFull(listing)) return;
    listing.lookedAt += 1;
    if (!isOpen(listing.scope, folder, entry.name)) continue;
    await add(listing, folder, entry.name);
    if (entry.isDirectory()) inner.push(entry.name);
  }
  if (!listing.recursive) return;
  for (const name of inner) await enter(listing, folder, name);
}

function isFull(listing: Listing): boolean {
  const { files, lookedAt } = listing;
  if (files.length < MAX_LISTED_FILES && lookedAt < MAX_LOOKED_AT_FILES) return false;
  listing.truncated = true;
  return true;
}

/** Whether the entry could be requested. */
const isOpen = (scope: Scope, { path }: Folder, name: string): boolean =>
  brokenNameRule(name) === undefined && isAllowed(join(path, name), scope);

async function enter(listing: Listing, folder: Folder, name: string): Promise<void> {
  if (listing.truncated) return;
  if (listing.depth + folder.names.length >= MAX_DEPTH) {
    listing.truncated = true;
    return;
  }
  const held = await passedOver(holdChild(folder.held, name, listing.scope));
  if (!held) return;
  try {
    await passedOver(walk(listing, { held, path: join(folder.path, name), names: [...folder.names, name] }));
  } finally {
    await held.close();
  }
}

async function add(listing: Listing, folder: Folder, name: string): Promise<void> {
  const path = [...folder.names, name].join('/');
  if (!listing.accepts(path)) return;
  const stats = await passedOver(lstat(folder.held.entry(name)));
  const meant = stats?.isSymbolicLink() ? await passedOver(behindLink(listing, join(folder.path, name))) : stats;
  const type = meant && typeOf(meant);
  if (!type) return;
  const size = type === 'file' ? { size: meant.size } : {};
  listing.files.push({ path, name, type, ...size, modifiedAt: new Date(meant.mtimeMs).toISOString() });
}

/** The target of a link, by the same decision as when it is read. */
async function behindLink({ access, scope }: Listing, path: string): Promise<Stats | undefined> {
  const spot = await judge(path, scope);
  if (spot.rest.length > 0) return undefined;
  return access.lookAt(spot.path, scope);
}

const typeOf = (stats: Stats): FileEntry['type'] | undefined => {
  if (stats.isFile()) return 'file';
  return stats.isDirectory() ? 'directory' : undefined;
};

/** Skips an entry that has vanished or cannot be inspected. */
async function passedOver<Result>(asked: Promise<Result>): Promise<Result | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof CompanionError || isUnseen(error)) return undefined;
    throw error;
  }
}
