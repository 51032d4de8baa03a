import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { writeBriefly } from '../../../disk/write-whole.js';
import { isScarcity, toCapacityError } from '../../../protocol/failures.js';

/** The files that belong to one child, in `run/<session>/`. */
export interface RunFiles {
  folder: string;
  stdin: string;
  stdout: string;
  stderr: string;
  record: string;
  /** Exists when the child was ended because no daemon came back. */
  orphaned: string;
}

export const runFiles = (runFolder: string, sessionId: string): RunFiles => {
  const folder = join(runFolder, sessionId);
  return {
    folder,
    stdin: join(folder, 'stdin'),
    stdout: join(folder, 'stdout.jsonl'),
    stderr: join(folder, 'stderr.log'),
    record: join(folder, 'process.json'),
    orphaned: join(folder, 'orphaned'),
  };
};

/**
 * Empties a session's folder for a new child; only the owner can access its files. The folder above must be there: a home
 * that was moved away must not come back.
 */
export function prepareFolder(files: RunFiles): void {
  removeFolder(files);
  mkdirSync(files.folder, { mode: 0o700 });
}

/** A disk probe may be running in it: the second attempt removes its file. */
export const removeFolder = ({ folder }: RunFiles): void =>
  rmSync(folder, { recursive: true, force: true, maxRetries: 3, retryDelay: 10 });

const pid = z.int().positive();

const processRecordSchema = z.object({
  childId: z.string(),
  pid,
  startTime: z.string(),
  binary: z.string(),
  /** The live processes started by the child and its tools, as of the last scan. */
  seen: z.array(z.object({ pid, group: z.int(), startTime: z.string() })).optional(),
  /** The CLI's own session, once it has reported it. */
  conversation: z.string().optional(),
});
export type ProcessRecord = z.infer<typeof processRecordSchema>;

/** A reader sees either the old or the new content in full. */
export const writeProcessRecord = (files: RunFiles, record: ProcessRecord): void =>
  writeBriefly(files.record, JSON.stringify(record));

/** Adds data to a child's record. Does nothing when another child is recorded; throws when there is no space. */
export function amendProcessRecord(files: RunFiles, childId: string, more: Partial<ProcessRecord>): void {
  const record = readProcessRecord(files);
  if (record?.childId === childId) writeProcessRecord(files, { ...record, ...more });
}

/**
 * The record of the last child started here; undefined when there is none, or it is damaged. Throws `CAPACITY` when the
 * machine lacks resources for now: a live child would count as gone.
 */
export function readProcessRecord(files: RunFiles): ProcessRecord | undefined {
  try {
    return processRecordSchema.parse(JSON.parse(readFileSync(files.record, 'utf8')));
  } catch (error) {
    if (isScarcity(error)) throw toCapacityError('The record of the Claude CLI cannot be read', error);
    return undefined;
  }
}

/** Whether this child was ended because no daemon came back. */
export const isOrphaned = ({ orphaned }: RunFiles): boolean => existsSync(orphaned);

const TAIL_BYTES = 4096;

/** The end of the child's stderr output. */
export function readStderrTail(files: RunFiles): string {
  try {
    return readFileSync(files.stderr).subarray(-TAIL_BYTES).toString('utf8').trim();
  } catch {
    // The child's end is still reported, with its other output.
    return '';
  }
}
