import { isStorageError } from '../../../protocol/failures.js';
import type { UserId } from '../../ports/records.js';
import type { OutsideConversation, OutsidePage, SearchPage, SearchRequest } from '../../ports/search.js';
import { sqliteCode, storageError } from '../damage/damage-guard.js';
import { type Find, IndexDamaged, prepareFind } from './find.js';
import { OutsideFollower } from './follow-outside.js';
import { RecordFollower } from './follow-record.js';
import { type IndexFile, openIndexFile, removeIndexFile } from './index-file.js';
import type { RecordReader } from './record-reader.js';

/** With so many new events a search waits until they are in the index; with more it goes without them. */
const MAX_AWAITED = 2000;
/** Nor does a task wait for longer than this: one that takes too long ends the thread. */
const AWAITED_MS = 1000;

export interface SearchFileOptions {
  path: string;
  record: RecordReader;
  /** For how long a task waits until the index has what is new, or for a batch more. */
  awaitedMs?: number;
}

interface Opened {
  file: IndexFile;
  follower: RecordFollower;
  find: Find;
  outside: OutsideFollower;
}

/** The index and what it is made from. A damaged or lost one is begun anew, and filled while it serves. */
export class SearchFile {
  readonly #path: string;
  readonly #record: RecordReader;
  readonly #awaitedMs: number;
  #opened: Opened | undefined;

  constructor({ path, record, awaitedMs = AWAITED_MS }: SearchFileOptions) {
    this.#path = path;
    this.#record = record;
    this.#awaitedMs = awaitedMs;
  }

  /** Adds and removes what the record has since, for so many milliseconds. Returns whether that is all. */
  follow(milliseconds: number): boolean {
    return this.#mended(({ follower }) => follower.follow(milliseconds));
  }

  /** Throws `INVALID_REQUEST` for the cursor, `STORAGE_FULL`, and `RecordUnreadable`. */
  search(request: SearchRequest): SearchPage {
    return this.#mended(({ follower, find }) => {
      const isComplete = follower.backlog <= MAX_AWAITED && caughtUp(follower, this.#awaitedMs);
      return { ...find(request), isComplete };
    });
  }

  /** See `OutsideIndex`. What sessions hold is taken from the record, which is followed first. */
  pendingOutside(owner: UserId, conversations: readonly OutsideConversation[]): string[] | undefined {
    return this.#mended(({ follower, outside }) =>
      follower.follow(this.#awaitedMs) ? outside.pending(owner, conversations) : undefined,
    );
  }

  addOutside(owner: UserId, page: OutsidePage): void {
    this.#mended(({ outside }) => outside.add(owner, page));
  }

  /** The session is about to be forgotten: its conversation is not searched any more, whatever is left of it. */
  forget(sessionId: string, claudeSessionId: string): void {
    this.#mended(({ outside }) => {
      outside.hold({ claude_session_id: claudeSessionId, session_id: sessionId, at: 0 });
      outside.forget(sessionId);
    });
  }

  close(): void {
    this.#opened?.file.close();
    this.#opened = undefined;
  }

  #mended<Result>(action: (opened: Opened) => Result): Result {
    try {
      return action(this.#open());
    } catch (error) {
      if (!isDamage(error)) throw storageError(error);
    }
    this.close();
    removeIndexFile(this.#path);
    return action(this.#open());
  }

  #open(): Opened {
    if (this.#opened) return this.#opened;
    const record = this.#record;
    const file = openIndexFile(this.#path, record.epoch);
    const outside = new OutsideFollower(record, file);
    const follower = new RecordFollower({ record, index: file, outside });
    this.#opened = { file, follower, find: prepareFind(record, file), outside };
    return this.#opened;
  }
}

/** On a full disk a search goes without what was said last. */
function caughtUp(follower: RecordFollower, milliseconds: number): boolean {
  try {
    return follower.follow(milliseconds);
  } catch (error) {
    if (!isStorageError(storageError(error)) || isDamage(error)) throw error;
    return false;
  }
}

const CODES_OF_REFUSAL = /^SQLITE_(FULL|IOERR_(WRITE|FSYNC)|READONLY|BUSY|NOMEM)/;

/** Whatever SQLite cannot do with the index, other than write to a disk that refuses it. */
function isDamage(error: unknown): boolean {
  const code = sqliteCode(error);
  return error instanceof IndexDamaged || (code !== undefined && !CODES_OF_REFUSAL.test(code));
}
