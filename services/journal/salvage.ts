/** Makes a new journal from the intact parts of a damaged one, which is set aside. */

import {
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { OWN_FILE } from '../../disk/own-file.js';
import { isScarcity } from '../../protocol/capacity-error.js';
import type { Log } from '../ports/log.js';
import { cancelQueued } from './cancel-queued.js';
import { countCommits } from './epoch.js';
import type { JournalDamaged } from './journal-damaged.js';
import { type Mark, markPath, readMark } from './mark-file.js';
import { openDatabase } from './open-database.js';
import { copyRows } from './salvage-rows.js';
import { settleSessions } from './salvage-sessions.js';
import { connectToDamaged, type SqliteDatabase } from './sqlite-database.js';

/** The journal is damaged and cannot be replaced. */
export class JournalUnusableError extends Error {}

export interface SalvageOptions {
  path: string;
  log: Log;
  damage: JournalDamaged;
}

/** Damaged journals kept for inspection. */
const KEPT_DAMAGED = 2;
const PAGE_BYTES = 4096;
/** The files of a database; the last one is recreated whenever it is missing. */
const SUFFIXES = ['', '-wal', '-shm'];

/**
 * Reads everything readable from the journal at this path and puts a new one in its place, without an epoch. Takes as
 * long as reading the whole file. Throws `JournalUnusableError` when the disk refuses it.
 */
export function salvage({ path, log, damage }: SalvageOptions): void {
  log.error('the journal is damaged', { reason: damage.message });
  try {
    const found = rebuild(path, (fresh) => salvageInto(fresh, path));
    log.error('the journal was rebuilt from what is whole of it', { ...found, aside: putInPlace(path) });
  } catch (error) {
    const reason = (error as Error).message;
    throw new JournalUnusableError(`${path} is damaged and cannot be rebuilt (${reason}). The file is unchanged`);
  }
}

interface RescueOptions {
  path: string;
  log: Log;
  /** Open on files that its path no longer leads to. */
  database: SqliteDatabase;
  reason: string;
}

/**
 * Writes what an open connection still reaches into a new journal at its path; whatever is there now is set aside.
 * Nothing is in doubt, so nothing is cancelled. Throws `JournalUnusableError` when the disk refuses it.
 */
export function rescue({ path, log, database, reason }: RescueOptions): void {
  log.error('the journal is not where it was written', { reason });
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const found = rebuild(path, (fresh) => ({ ...copyRows(database, fresh), ...settleSessions(fresh) }));
    log.error('the journal was written anew', { ...found, aside: putInPlace(path) });
  } catch (error) {
    throw new JournalUnusableError(`${path}: ${reason}, and it cannot be rewritten (${(error as Error).message})`);
  }
}

function putInPlace(path: string): string | undefined {
  syncFile(`${path}.salvaging`);
  renameSync(`${path}.salvaging`, `${path}.salvaged`);
  return finishSwap(path);
}

function rebuild(path: string, fillIn: (fresh: SqliteDatabase) => Record<string, number>): Record<string, number> {
  const unfinished = `${path}.salvaging`;
  remove(unfinished);
  const fresh = openDatabase(unfinished);
  // The new file counts only when complete, so its own journal is useless and costs the space of another copy.
  fresh.pragma('journal_mode = MEMORY');
  fresh.pragma('synchronous = OFF');
  try {
    return fillIn(fresh);
  } finally {
    fresh.close();
  }
}

function salvageInto(fresh: SqliteDatabase, path: string): Record<string, number> {
  const source = openSource(path);
  try {
    return fill(fresh, source, readMark(markPath(path)));
  } finally {
    source?.close();
  }
}

function fill(fresh: SqliteDatabase, source: SqliteDatabase | undefined, mark: Mark | undefined) {
  const copied = source ? copyRows(source, fresh) : {};
  const isCut = mark === undefined || mark.commits > countCommits(fresh);
  const cancelled = isCut ? cancelQueued(fresh, Date.now()) : 0;
  return { ...copied, ...settleSessions(fresh), cancelled };
}

const CLOSED_TO_US = new Set<unknown>(['EACCES', 'EPERM', 'EROFS']);

/** Undefined when nothing is readable. Throws when the cause is not the file's content. */
function openSource(path: string): SqliteDatabase | undefined {
  try {
    mendHeader(path);
    return connectToDamaged(path);
  } catch (error) {
    if (isScarcity(error) || CLOSED_TO_US.has((error as NodeJS.ErrnoException).code)) throw error;
    return undefined;
  }
}

/** Header bytes common to all our journals (sqlite.org/fileformat2.html#the_database_header). */
const HEADER_CONSTANTS: [offset: number, bytes: Buffer][] = [
  [0, Buffer.from('SQLite format 3\0\x10\0\x02\x02\0\x40\x20\x20', 'latin1')],
  [44, Buffer.from([0, 0, 0, 4])],
  [56, Buffer.from([0, 0, 0, 1])],
];

/** A wrong byte there would make the whole file unreadable. */
function mendHeader(path: string): void {
  const file = openSync(path, 'r+');
  try {
    if (fstatSync(file).size < PAGE_BYTES) return;
    for (const [offset, bytes] of HEADER_CONSTANTS) writeSync(file, bytes, 0, bytes.length, offset);
  } finally {
    closeSync(file);
  }
}

function syncFile(path: string): void {
  const file = openSync(path, 'r');
  fsyncSync(file);
  closeSync(file);
}

/**
 * Puts a complete new journal in place of the existing one, and also finishes an interrupted swap. Returns the new path
 * of the damaged one.
 */
export function finishSwap(path: string): string | undefined {
  const finished = `${path}.salvaged`;
  if (!existsSync(finished)) return undefined;
  const aside = `${path}.damaged-${new Date().toISOString().replaceAll(':', '-')}`;
  for (const suffix of SUFFIXES) {
    if (!existsSync(path + suffix)) continue;
    chmodSync(path + suffix, OWN_FILE);
    renameSync(path + suffix, aside + suffix);
  }
  renameSync(finished, path);
  removeOldest(path);
  return aside;
}

function removeOldest(path: string): void {
  const folder = dirname(path);
  const damaged = readdirSync(folder)
    .filter((name) => name.startsWith(`${basename(path)}.damaged-`) && name.endsWith('Z'))
    .sort();
  for (const name of damaged.slice(0, -KEPT_DAMAGED)) remove(join(folder, name));
}

const remove = (path: string): void => {
  for (const suffix of SUFFIXES) rmSync(path + suffix, { force: true });
};
