import { Worker } from 'node:worker_threads';
import { CompanionError } from '../../../protocol/error-codes.js';
import { toCapacityError } from '../../../protocol/failures.js';
import type { Log } from '../../ports/log.js';
import type { UserId } from '../../ports/records.js';
import type {
  OutsideConversation,
  OutsideIndex,
  OutsidePage,
  SearchIndex,
  SearchPage,
  SearchRequest,
} from '../../ports/search.js';
import type { SearchThreadData, ThreadAnswer, ThreadRequest, ThreadTask } from './search-worker.js';

export interface SearchThreadOptions extends SearchThreadData {
  /** The built `search-worker`. */
  script: string;
  log: Log;
  /** A row of the record is not as it was written. */
  onDamage: (reason: string) => void;
}

interface Waiting {
  resolve: (result: unknown) => void;
  reject: (error: unknown) => void;
  deadline: NodeJS.Timeout;
}

/** Delay of the first look at the record: after the start and the reconnection of all clients. */
const FIRST_LOOK_MS = 10_000;
/** The index follows the record after this time; a search does not wait for it. */
const FOLLOW_MS = 1000;
/** Commits that start the thread when nobody searches. */
const MANY_COMMITS = 200;
/** Time after which an idle thread ends, which frees its memory. */
const IDLE_MS = 60_000;
const DEADLINE_MS = 15_000;
/** MiB. */
const LIMITS = { maxOldGenerationSizeMb: 128 };

/** The thread of the search, which runs while somebody searches or much is said. */
export class SearchThread implements SearchIndex, OutsideIndex {
  readonly #options: SearchThreadOptions;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  /** Until then another thread would write the same file. */
  #ending: Promise<unknown> | undefined;
  #lastId = 0;
  #commits = 0;
  #follow: NodeJS.Timeout | undefined;
  #idle: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: SearchThreadOptions) {
    this.#options = options;
    this.#follow = setTimeout(() => this.#ask({ kind: 'follow' }), FIRST_LOOK_MS).unref();
  }

  /** Something was committed. */
  onGrown(): void {
    this.#commits += 1;
    if (this.#follow || this.#isClosed || (!this.#worker && this.#commits < MANY_COMMITS)) return;
    this.#follow = setTimeout(() => this.#ask({ kind: 'follow' }), FOLLOW_MS).unref();
  }

  search(request: SearchRequest): Promise<SearchPage> {
    return this.#do({ kind: 'search', request }) as Promise<SearchPage>;
  }

  pendingOutside(owner: UserId, conversations: readonly OutsideConversation[]): Promise<string[] | undefined> {
    return this.#do({ kind: 'pending', owner, conversations }) as Promise<string[] | undefined>;
  }

  addOutside(owner: UserId, page: OutsidePage): Promise<void> {
    return this.#do({ kind: 'add', owner, page }) as Promise<void>;
  }

  /** The session is about to be forgotten, with its conversation. */
  onForgetting(sessionId: string, claudeSessionId: string): void {
    this.#do({ kind: 'forget', sessionId, claudeSessionId }).catch((error: unknown) => {
      this.#options.log.warn('a conversation could not be taken out of the search', { error: String(error) });
    });
  }

  /** Resolves when the thread has closed the files. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#follow);
    await this.#end(closing());
  }

  #do(task: ThreadTask): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) {
        reject(closing());
        return;
      }
      this.#lastId += 1;
      const id = this.#lastId;
      const deadline = setTimeout(() => this.#overdue(id), DEADLINE_MS).unref();
      this.#waiting.set(id, { resolve, reject, deadline });
      this.#ask({ kind: 'task', id, task });
    });
  }

  #ask(request: ThreadRequest): void {
    if (request.kind === 'follow') {
      this.#follow = undefined;
      this.#commits = 0;
    }
    clearTimeout(this.#idle);
    if (this.#isClosed) return;
    if (this.#ending) {
      void this.#ending.then(() => this.#ask(request));
      return;
    }
    this.#idle = setTimeout(() => void this.#end(closing()), IDLE_MS).unref();
    try {
      this.#worker ??= this.#start();
      this.#worker.postMessage(request);
    } catch (error) {
      // No thread is available (`ERR_WORKER_INIT_FAILED`).
      void this.#end(toCapacityError('The search could not be started', error));
    }
  }

  #start(): Worker {
    const { script, recordPath, indexPath, log } = this.#options;
    const worker = new Worker(script, { workerData: { recordPath, indexPath }, resourceLimits: LIMITS });
    worker.unref();
    worker.on('message', (answer: ThreadAnswer) => this.#answered(answer));
    worker.on('error', (error) => {
      log.warn('the search has failed', { error: String(error) });
      if (this.#worker === worker) void this.#end(toCapacityError('The search has failed', error));
    });
    return worker;
  }

  #answered({ id, result, refused, failure }: ThreadAnswer): void {
    const waiting = this.#take(id);
    if (!waiting) return;
    if (refused) waiting.reject(new CompanionError(refused.code, refused.message, refused.details));
    else if (failure) this.#failed(waiting, failure);
    else waiting.resolve(result);
  }

  #failed({ reject }: Waiting, failure: NonNullable<ThreadAnswer['failure']>): void {
    this.#options.log.warn('a search has failed', { error: failure.message });
    if (failure.isDamage) this.#options.onDamage(failure.message);
    reject(new Error(failure.message));
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    clearTimeout(waiting?.deadline);
    return waiting;
  }

  /** A search cannot be interrupted otherwise. */
  #overdue(id: number): void {
    this.#take(id)?.reject(
      new CompanionError('TIMEOUT', 'The search took too long. Search for more words, or fewer days.'),
    );
    void this.#end(closing());
  }

  async #end(reason: unknown): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    clearTimeout(this.#idle);
    for (const id of this.#waiting.keys()) this.#take(id)?.reject(reason);
    this.#ending ??= worker?.terminate().finally(() => {
      this.#ending = undefined;
    });
    await this.#ending;
  }
}

const closing = (): CompanionError => new CompanionError('CAPACITY', 'The search was ended. Try again.');
