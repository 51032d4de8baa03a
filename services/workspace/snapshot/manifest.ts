/** What is noted of a directory: the files at some time, and where their contents are kept. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeBriefly } from '../../../disk/write-whole.js';
import type { Kept } from './content-pack.js';
import type { FoundFile } from './tree-walk.js';

/** A file as it was noted. */
export interface Noted {
  size: number;
  modifiedMs: number;
  changedMs: number;
  inode: number;
  mode: number;
  /** Its content, or why it is not kept. */
  content: Kept | 'large' | 'unknown';
}

export interface Manifest {
  files: Map<string, Noted>;
  /** False when a limit left some out. */
  isWhole: boolean;
  /** The number of its file of contents. */
  pack: number;
}

type Row = [path: string, ...numbers: [number, number, number, number, number], content: Noted['content']];

const FILE = 'files.json';

export function readManifest(folder: string): Manifest | undefined {
  try {
    const { isWhole, pack, rows } = JSON.parse(readFileSync(join(folder, FILE), 'utf8')) as Omit<Manifest, 'files'> & {
      rows: Row[];
    };
    return { isWhole, pack, files: new Map(rows.map(noted)) };
  } catch {
    // Missing, or cut by a full disk: the directory is noted anew.
    return undefined;
  }
}

const noted = ([path, size, modifiedMs, changedMs, inode, mode, content]: Row): [string, Noted] => [
  path,
  { size, modifiedMs, changedMs, inode, mode, content },
];

export function writeManifest(folder: string, { files, isWhole, pack }: Manifest): void {
  const rows = Array.from(files, ([path, { size, modifiedMs, changedMs, inode, mode, content }]): Row => {
    return [path, size, modifiedMs, changedMs, inode, mode, content];
  });
  writeBriefly(join(folder, FILE), JSON.stringify({ isWhole, pack, rows }));
}

/** The next note begins anew. */
export const dropManifest = (folder: string): void => rmSync(join(folder, FILE), { force: true });

/** A file that changed this recently can change again without a later time: clocks of file systems tick slowly. */
const TICK_MS = 50;
const NEVER = -1;

export function noteOf({ stats }: FoundFile, content: Noted['content']): Noted {
  const isFresh = stats.ctimeMs > Date.now() - TICK_MS;
  return {
    size: stats.size,
    modifiedMs: stats.mtimeMs,
    changedMs: isFresh ? NEVER : stats.ctimeMs,
    inode: stats.ino,
    mode: stats.mode,
    content,
  };
}

/** Whether the file can only be as it was noted. */
export const isSame = ({ size, modifiedMs, changedMs, inode }: Noted, { stats }: FoundFile): boolean =>
  changedMs === stats.ctimeMs && modifiedMs === stats.mtimeMs && size === stats.size && inode === stats.ino;
