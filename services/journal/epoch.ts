import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { Mark } from './mark-file.js';
import { type MetaRows, openMeta } from './meta-rows.js';
import type { SqliteDatabase } from './sqlite-database.js';

/** Names this run of the operating system; empty where it cannot be told. */
export function readBootId(): string {
  try {
    if (process.platform === 'linux') return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return execFileSync('sysctl', ['-n', 'kern.boottime'], { encoding: 'utf8' }).trim();
  } catch {
    // Then every start counts as that of another boot, and what was not synced is looked at.
    return '';
  }
}

/**
 * Names the file itself, which a copy put in its place is not. A number is soon used again, so the time of birth goes
 * with it where the file system keeps one (elsewhere it is none, or that of the last change).
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
 * Why the journal is not the one that was written here last, in its last state: it was cut, restored or exchanged.
 * Undefined when nothing speaks for that. One that never had a mark is not suspected of having lost it, and where the
 * machine went down the mark says nothing: neither of the two was synced, and a person's prompts were.
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

/** The machine did, while the journal was open. */
function wentDown(meta: MetaRows, bootId: string): boolean {
  const openedIn = meta.get('open_since_boot');
  return openedIn !== undefined && openedIn !== '' && openedIn !== bootId;
}

/** The number of the last commit. Each session has that of its own last one; `meta` has that of a forgotten session. */
export function countCommits(database: SqliteDatabase): number {
  const inSessions = database.prepare<[], number | null>('SELECT MAX(commits) FROM sessions').pluck().get() ?? 0;
  return Math.max(inSessions, Number(openMeta(database).get('commits') ?? 0));
}

/**
 * The epoch of the journal. What the CLI says is committed without waiting for the disk: it survives the death of the
 * daemon, but its end may be gone when the machine itself went down. So after a boot that the journal was not closed
 * for, seqs could come twice with other events, and a new epoch says that older positions are void. It does so too
 * when the journal is in doubt (`doubtOf`).
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

/** All that was committed is on the disk: the next boot has nothing to doubt. */
export const endEpoch = (database: SqliteDatabase): void => openMeta(database).remove('open_since_boot');
