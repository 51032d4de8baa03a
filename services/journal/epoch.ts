import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { Mark } from './mark-file.js';
import { type MetaRows, openMeta } from './meta-rows.js';
import type { SqliteDatabase } from './sqlite-database.js';

/** Identifies this boot of the operating system; empty when unknown. */
export function readBootId(): string {
  try {
    if (process.platform === 'linux') return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return execFileSync('sysctl', ['-n', 'kern.boottime'], { encoding: 'utf8' }).trim();
  } catch {
    // Every start then counts as a new boot, and unsynced data is checked.
    return '';
  }
}

/**
 * Identifies the file itself, so that a copy in its place is detected. Inode numbers are soon reused, so the birth time
 * is included where the file system keeps one (elsewhere it is zero or the time of the last change).
 */
export function readFileIdentity(path: string): string {
  const { ino, birthtimeNs, ctimeNs } = statSync(path, { bigint: true });
  return birthtimeNs > 0n && birthtimeNs !== ctimeNs ? `${ino}@${birthtimeNs}` : String(ino);
}

function isSameFile(held: string, found: string): boolean {
  const [ino, birth] = held.split('@');
  const [foundIno, foundBirth] = found.split('@');
  return ino === foundIno && (birth === undefined || foundBirth === undefined || birth === foundBirth);
}

export interface EpochOptions {
  bootId: string;
  mark: Mark | undefined;
  /** See `readFileIdentity`. */
  file: string;
}

/**
 * Why the journal is not in the last state written here: it was truncated, restored or replaced. Undefined when nothing
 * indicates that. A journal that never had a mark cannot have lost it. After a machine crash the mark proves nothing:
 * neither file was synced, but prompts were.
 */
export function doubtOf(database: SqliteDatabase, { bootId, mark, file }: EpochOptions): string | undefined {
  const meta = openMeta(database);
  const held = meta.get('file');
  if (held === undefined) return undefined;
  if (!isSameFile(held, file)) return 'its file is another one';
  if (wentDown(meta, bootId)) return undefined;
  if (!mark) return 'its mark is missing or unreadable';
  if (mark.epoch !== meta.get('epoch')) return 'its mark is that of another journal';
  return mark.commits > countCommits(database) ? 'its last commits are missing' : undefined;
}

/** The machine went down while the journal was open. */
function wentDown(meta: MetaRows, bootId: string): boolean {
  const openedIn = meta.get('open_since_boot');
  return openedIn !== undefined && openedIn !== '' && openedIn !== bootId;
}

/** Number of the last commit. Each session stores that of its own last one; `meta` that of a forgotten session. */
export function countCommits(database: SqliteDatabase): number {
  const inSessions = database.prepare<[], number | null>('SELECT MAX(commits) FROM sessions').pluck().get() ?? 0;
  return Math.max(inSessions, Number(openMeta(database).get('commits') ?? 0));
}

/**
 * The epoch of the journal. CLI output is committed without waiting for the disk: it survives the daemon's death, but
 * its tail can be lost when the machine goes down. After a boot without a clean close, seqs could be reused for other
 * events, so a new epoch voids older positions. The same applies when the journal is in doubt (`doubtOf`).
 */
export function beginEpoch(database: SqliteDatabase, options: EpochOptions): string {
  const { bootId, file } = options;
  const meta = openMeta(database);
  return database.transaction(() => {
    const known = meta.get('epoch');
    const isVoid = known === undefined || wentDown(meta, bootId) || doubtOf(database, options) !== undefined;
    const epoch = isVoid ? randomUUID() : known;
    meta.set('epoch', epoch);
    meta.set('open_since_boot', bootId);
    meta.set('file', file);
    return epoch;
  })();
}

/** Everything committed is on the disk: the next boot has nothing to doubt. */
export const endEpoch = (database: SqliteDatabase): void => openMeta(database).remove('open_since_boot');
