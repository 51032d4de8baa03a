/** Digests of a directory's files that programs obey by themselves, to detect later changes. */
import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ObeyedState } from '../ports/workspace.js';
import { isObeyed, isObeyedFolder } from './protected-names.js';

/** Depth of folders below the directory. */
const MAX_DEPTH = 5;
const MAX_ENTRIES = 10_000;
const MAX_FILES = 300;
const MAX_MS = 3000;
/** Larger files are represented by size and time instead of content. */
const MAX_READ_BYTES = 256 * 1024;

/** Third-party folders and those without obeyed files; below `.git` only files that git itself obeys are examined. */
const PASSED_OVER = new Set(['node_modules', '.venv', 'vendor', 'target', 'dist']);
const OF_GIT = /^(config|config\.worktree|hooks|info)$/;
const NOT_OBEYED = /\.sample$|\.lock$|^HEAD$|^exclude$/;

interface Scan {
  files: Map<string, string>;
  entries: number;
  until: number;
  isWhole: boolean;
}

/** Never rejects: an unreadable file has its own digest, and a too large directory is reported as not whole. */
export async function readObeyedState(directory: string): Promise<ObeyedState> {
  const scan: Scan = { files: new Map(), entries: 0, until: performance.now() + MAX_MS, isWhole: true };
  await walk(scan, directory, []);
  return { files: scan.files, isWhole: scan.isWhole };
}

const isFull = ({ files, entries, until }: Scan): boolean =>
  files.size >= MAX_FILES || entries >= MAX_ENTRIES || performance.now() > until;

async function walk(scan: Scan, directory: string, names: readonly string[]): Promise<void> {
  // What this account cannot read, its programs do not obey.
  const entries = await readdir(join(directory, ...names), { withFileTypes: true }).catch(() => []);
  // Files first, and nearer ones before deeper ones: a limit leaves out the least important.
  const isInner = (entry: (typeof entries)[number]) => entry.isDirectory();
  for (const { name } of entries.filter((entry) => !isInner(entry))) {
    scan.entries += 1;
    if (isFull(scan)) return cut(scan);
    await add(scan, directory, [...names, name]);
  }
  for (const { name } of entries.filter(isInner).sort((a, b) => rankOf(a.name) - rankOf(b.name))) {
    scan.entries += 1;
    if (isFull(scan)) return cut(scan);
    if (isPassedOver(names, name)) continue;
    if (names.length < MAX_DEPTH) await walk(scan, directory, [...names, name]);
  }
}

function cut(scan: Scan): void {
  scan.isWhole = false;
}

const rankOf = (name: string): number => (isObeyedFolder(name) ? 0 : 1);

const isPassedOver = (names: readonly string[], name: string): boolean =>
  PASSED_OVER.has(name) ||
  (names.at(-1) === '.git' && !OF_GIT.test(name)) ||
  (names.at(-1) === '.claude' && name === 'worktrees');

async function add(scan: Scan, directory: string, names: readonly string[]): Promise<void> {
  const name = names.at(-1) ?? '';
  const isStray = names.at(-2) === '.git' && !OF_GIT.test(name);
  if (NOT_OBEYED.test(name) || isStray || !isObeyed(join(...names))) return;
  scan.files.set(names.join('/'), await digestOf(join(directory, ...names)));
}

async function digestOf(path: string): Promise<string> {
  try {
    const found = await stat(path);
    return short(found.isFile() && found.size <= MAX_READ_BYTES ? await contentsOf(path) : aboutIt(found));
  } catch (error) {
    return short(String((error as NodeJS.ErrnoException).code));
  }
}

const aboutIt = ({ mode, size, mtimeMs }: Stats): string => `${mode} ${size} ${mtimeMs}`;

async function contentsOf(path: string): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_READ_BYTES + 1), 0, MAX_READ_BYTES + 1, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

const DIGEST_BYTES = 9;

const short = (what: string | Buffer): string =>
  createHash('sha256').update(what).digest().subarray(0, DIGEST_BYTES).toString('base64url');
