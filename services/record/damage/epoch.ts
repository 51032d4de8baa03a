import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, constants, fsyncSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { OWN_FILE } from '../../../disk/own-file.js';
import { type MetaRows, openMeta, withSum } from '../sqlite/row-sums.js';
import type { PromptRow } from '../sqlite/rows.js';
import type { SqliteDatabase } from '../sqlite/sqlite-database.js';

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

/**
 * Ends the prompts queued in a journal that lost its last commits: they may already have run. Having to resend a prompt
 * is better than running it twice. Returns the number of prompts ended.
 */
export function cancelQueued(database: SqliteDatabase, now: number): number {
  const queued = database.prepare<[], string>(`SELECT prompt_id FROM prompts WHERE state = 'queued'`).pluck().all();
  // One row at a time: rows written by an older version contain their attachments.
  const read = database.prepare<[string], PromptRow>(`SELECT * FROM prompts WHERE prompt_id = ?`);
  const write = database.prepare(
    `UPDATE prompts SET state = @state, attachments = NULL, ended_at = @ended_at, sum = @sum WHERE prompt_id = @prompt_id`,
  );
  database.transaction(() => {
    for (const id of queued) {
      const row = read.get(id);
      if (row) write.run(withSum('prompts', { ...row, state: 'cancelled', attachments: null, ended_at: now }));
    }
  })();
  return queued.length;
}

/** The journal's last write. */
export interface Mark {
  epoch: string;
  /** Number of the last commit. */
  commits: number;
}

/** The path of a journal's mark file. */
export const markPath = (journalPath: string): string => journalPath.replace(/(\.db)?$/, '.mark');

const NUMBER_DIGITS = 16;
const PATTERN = /^journal ([\w-]{1,64}) (\d{16}) ([\da-f]{8})\n$/;

const lineOf = ({ epoch, commits }: Mark): string => {
  const text = `journal ${epoch} ${String(commits).padStart(NUMBER_DIGITS, '0')}`;
  return `${text} ${crc32(text).toString(16).padStart(8, '0')}\n`;
};

/** The mark beside a journal; undefined when it is missing or damaged. */
export function readMark(path: string): Mark | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'latin1');
  } catch {
    // Whatever the reason: without a mark a loss cannot be excluded, which is the safe assumption.
    return undefined;
  }
  const [, epoch = '', number] = PATTERN.exec(text) ?? [];
  const mark = { epoch, commits: Number(number) };
  return number !== undefined && lineOf(mark) === text ? mark : undefined;
}

/**
 * A witness outside the database: a short line, written in place after each commit (2 µs) and before any of the commit
 * is shown. A journal with fewer commits than its mark was truncated or restored. The mark can lag behind, since the
 * daemon can die between the two, so a failed write does no harm.
 */
export class MarkFile {
  readonly #epoch: string;
  #file: number | undefined;

  constructor(path: string, mark: Mark) {
    this.#epoch = mark.epoch;
    this.#file = openFor(path, lineOf(mark).length);
    this.write(mark.commits);
  }

  write(commits: number): void {
    if (this.#file === undefined) return;
    try {
      writeSync(this.#file, lineOf({ epoch: this.#epoch, commits }), 0, 'latin1');
    } catch {
      // The mark lags behind.
    }
  }

  /** Safe to call again: a closed descriptor number is soon reused for another file. */
  close(): void {
    const file = this.#file;
    this.#file = undefined;
    if (file === undefined) return;
    try {
      fsyncSync(file);
    } catch {
      // As in `write`.
    }
    closeSync(file);
  }
}

function openFor(path: string, length: number): number | undefined {
  try {
    const file = openSync(path, constants.O_RDWR | constants.O_CREAT, OWN_FILE);
    ftruncateSync(file, length);
    return file;
  } catch {
    // As in `write`.
    return undefined;
  }
}
