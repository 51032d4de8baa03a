/** Reads the audit log from its end, as the daemon writes it: lines of JSON in files, of which the newest has no number. */
import { type FileHandle, open } from 'node:fs/promises';
import { type AuditPage, type AuditView, type ListAudit, parseAuditLine } from '../../protocol/audit.js';
import { invalid } from '../../protocol/error-codes.js';
import { parseJson } from '../../protocol/json.js';

/** As the log is written: more files are not kept. */
const FILES = 10;
const CHUNK_BYTES = 64 * 1024;
/** Of one request: a filter that hardly anything passes gets short pages. */
const MAX_READ_BYTES = 8 * 1024 * 1024;

export interface AuditQuery extends ListAudit {
  /** Only what this person did, or what was done to them. */
  person?: string | undefined;
}

/** A place between two lines: all before it are older. A file keeps its number when it is renamed. */
interface Place {
  file: number;
  offset: number;
}

const writeCursor = ({ file, offset }: Place): string => Buffer.from(`audit ${file} ${offset}`).toString('base64url');

function readCursor(cursor: string): Place {
  const [, file, offset] = /^audit (\d{1,20}) (\d{1,12})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  const place = { file: Number(file), offset: Number(offset) };
  if (file === undefined || writeCursor(place) !== cursor)
    throw invalid('cursor', 'must be the nextCursor of an earlier page');
  return place;
}

/**
 * A page of the log at this path, the newest entries first. A log without a file is empty, and so is what has been
 * dropped since the page before. Throws `INVALID_REQUEST` for a cursor that is none.
 */
export async function readAudit(path: string, query: AuditQuery): Promise<AuditPage> {
  const { limit, cursor } = query;
  const page = new Page(query);
  let from = cursor === undefined ? undefined : readCursor(cursor);
  for (let age = 0; age < FILES && !page.isFull; age += 1) {
    const file = await openFile(age === 0 ? path : `${path}.${age}`);
    if (!file) break;
    const wasRead = await readFrom(file, from, page);
    if (wasRead) from = undefined;
  }
  const { entries, next } = page;
  return { entries, limit, hasMore: next !== undefined, ...(next && { nextCursor: writeCursor(next) }) };
}

/** Closes the file. Resolves to false for one that is newer than the place to begin at. */
async function readFrom(file: FileHandle, from: Place | undefined, page: Page): Promise<boolean> {
  try {
    const { ino, size } = await file.stat();
    if (from && from.file !== ino) return false;
    await readBackwards(file, { file: ino, offset: Math.min(from?.offset ?? size, size) }, page);
    return true;
  } finally {
    await file.close();
  }
}

/** Undefined where there is none. */
async function openFile(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The entries that were asked for, and where the next page begins. */
class Page {
  readonly entries: AuditView[] = [];
  /** Behind the last entry, where there is more to look at. */
  next: Place | undefined;
  readonly #query: AuditQuery;
  #bytes = 0;

  constructor(query: AuditQuery) {
    this.#query = query;
  }

  get isFull(): boolean {
    return this.next !== undefined;
  }

  /** A line, and the place before it. */
  take(line: string, before: Place): void {
    const { action, limit } = this.#query;
    this.#bytes += line.length + 1;
    // Most lines that are not asked for need not be parsed.
    const isAsked = line !== '' && (action === undefined || line.includes(`"action":"${action}"`));
    const entry = isAsked ? parseAuditLine(parseJson(line)) : undefined;
    if (entry && this.#fits(entry)) this.entries.push(entry);
    if (this.entries.length >= limit || this.#bytes > MAX_READ_BYTES) this.next = before;
  }

  #fits({ action, userId, targetUserId, deviceId, targetDeviceId, at }: AuditView): boolean {
    const { action: asked, person, deviceId: device, since, until } = this.#query;
    const time = Date.parse(at);
    return (
      (person === undefined || userId === person || targetUserId === person) &&
      (asked === undefined || action === asked) &&
      (device === undefined || deviceId === device || targetDeviceId === device) &&
      (since === undefined || time >= Date.parse(since)) &&
      (until === undefined || time < Date.parse(until))
    );
  }
}

async function readBackwards(file: FileHandle, { file: ino, offset }: Place, page: Page): Promise<void> {
  /** Of the line that begins before what was read. */
  let rest = Buffer.alloc(0);
  let start = offset;
  while (start > 0 && !page.isFull) {
    const length = Math.min(CHUNK_BYTES, start);
    start -= length;
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, start);
    const text = Buffer.concat([buffer.subarray(0, bytesRead), rest]);
    const first = start === 0 ? 0 : text.indexOf('\n') + 1 || text.length;
    takeLines(text.subarray(first), { file: ino, offset: start + first }, page);
    rest = text.subarray(0, first);
  }
}

/** From the last one to the first, until the page is full. */
function takeLines(text: Buffer, { file, offset }: Place, page: Page): void {
  let end = text.length;
  while (end > 0 && !page.isFull) {
    const begin = text.lastIndexOf('\n', end - 2) + 1;
    page.take(text.toString('utf8', begin, end).trimEnd(), { file, offset: offset + begin });
    end = begin;
  }
}
