import { closeSync, constants, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { OWN_FILE } from '../../disk/own-file.js';

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
