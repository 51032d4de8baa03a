import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { writeBriefly } from '../../disk/write-whole.js';
import { isScarcity, toCapacityError } from '../../protocol/capacity-error.js';

/** The files by which one child is held, in `run/<session>/`. */
export interface RunFiles {
  folder: string;
  stdin: string;
  stdout: string;
  stderr: string;
  record: string;
  /** There when the child was ended because no daemon came back. */
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

/** Empties the folder of a session for a new child; its files are the owner's alone. */
export function prepareFolder(files: RunFiles): void {
  removeFolder(files);
  mkdirSync(files.folder, { recursive: true, mode: 0o700 });
}

/** A look for room may be under way in it: what that makes is removed at the second try. */
export const removeFolder = ({ folder }: RunFiles): void =>
  rmSync(folder, { recursive: true, force: true, maxRetries: 3, retryDelay: 10 });

const pid = z.int().positive();

const processRecordSchema = z.object({
  childId: z.string(),
  pid,
  startTime: z.string(),
  binary: z.string(),
  /** What lived of that which the child and its tools have started, when it was looked at last. */
  seen: z.array(z.object({ pid, group: z.int(), startTime: z.string() })).optional(),
  /** The CLI's own session, once it has said it. */
  conversation: z.string().optional(),
});
export type ProcessRecord = z.infer<typeof processRecordSchema>;

/** A reader finds all of it or the one before. */
export const writeProcessRecord = (files: RunFiles, record: ProcessRecord): void =>
  writeBriefly(files.record, JSON.stringify(record));

/** Notes more about a child. Nothing happens when it is not the one that is recorded; throws when there is no room. */
export function amendProcessRecord(files: RunFiles, childId: string, more: Partial<ProcessRecord>): void {
  const record = readProcessRecord(files);
  if (record?.childId === childId) writeProcessRecord(files, { ...record, ...more });
}

/**
 * The record of the child that was started here last; undefined when there is none, or it is not as it was written.
 * Throws `CAPACITY` when the machine lacks something for now: a child that lives would be taken for one that is gone.
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

/** The end of what the child wrote to stderr. */
export function readStderrTail(files: RunFiles): string {
  try {
    return readFileSync(files.stderr).subarray(-TAIL_BYTES).toString('utf8').trim();
  } catch {
    // The end of the child is told all the same, with what it said elsewhere.
    return '';
  }
}
