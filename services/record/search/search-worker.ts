/** The thread of the search: it reads the record and keeps the index, so that the event loop waits for neither. */
import { parentPort, workerData } from 'node:worker_threads';
import { CompanionError } from '../../../protocol/error-codes.js';
import type { UserId } from '../../ports/records.js';
import type { OutsideConversation, OutsidePage, SearchRequest } from '../../ports/search.js';
import { JournalDamaged } from '../damage/damage-guard.js';
import { openRecordReader, RecordUnreadable } from './record-reader.js';
import { SearchFile } from './search-file.js';

export interface SearchThreadData {
  recordPath: string;
  indexPath: string;
}

/** What the thread does for an answer. */
export type ThreadTask =
  | { kind: 'search'; request: SearchRequest }
  | { kind: 'pending'; owner: UserId; conversations: readonly OutsideConversation[] }
  | { kind: 'add'; owner: UserId; page: OutsidePage }
  | { kind: 'forget'; sessionId: string; claudeSessionId: string };

export type ThreadRequest = { kind: 'follow' } | { kind: 'task'; id: number; task: ThreadTask };

export interface ThreadAnswer {
  id: number;
  result?: unknown;
  refused?: Pick<CompanionError, 'code' | 'message' | 'details'>;
  failure?: { message: string; isDamage: boolean };
}

/** A search that comes meanwhile waits so long, or for a batch more. */
const SLICE_MS = 10;

const { recordPath, indexPath } = workerData as SearchThreadData;
const file = new SearchFile({ path: indexPath, record: openRecordReader(recordPath) });
let isFollowing = false;

parentPort?.on('message', (request: ThreadRequest) => {
  if (request.kind === 'task') parentPort?.postMessage({ id: request.id, ...outcomeOf(request.task) });
  else if (!isFollowing) follow();
});

function follow(): void {
  try {
    isFollowing = !file.follow(SLICE_MS);
  } catch {
    // Whatever the reason: the next search meets it as well, and tells who searches.
    isFollowing = false;
  }
  if (isFollowing) setImmediate(follow);
}

function goOn(): void {
  if (!isFollowing) setImmediate(follow);
}

function outcomeOf(task: ThreadTask): Omit<ThreadAnswer, 'id'> {
  try {
    return { result: run(task) };
  } catch (error) {
    if (error instanceof CompanionError) {
      const { code, message, details } = error;
      return { refused: { code, message, details } };
    }
    const { message, cause } = error as Error;
    const isDamage = error instanceof RecordUnreadable && cause instanceof JournalDamaged;
    return { failure: { message, isDamage } };
  }
}

function run(task: ThreadTask): unknown {
  if (task.kind === 'pending') {
    const pending = file.pendingOutside(task.owner, task.conversations);
    if (!pending) goOn();
    return pending;
  }
  if (task.kind === 'add') return file.addOutside(task.owner, task.page);
  if (task.kind === 'forget') return file.forget(task.sessionId, task.claudeSessionId);
  const page = file.search(task.request);
  if (!page.isComplete) goOn();
  return page;
}
