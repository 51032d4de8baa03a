import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { toCapacityError } from '../../protocol/capacity-error.js';
import type { ClaudeLauncher, TranscriptEntry, TranscriptQuery, TranscriptTail } from '../ports/claude.js';
import { configFolder, findTranscript } from './transcript-location.js';

/** The requests to the worker: whether a conversation exists, its message ids, its content. */
export type TranscriptRequest =
  | ({ kind: 'exists' } & Omit<TranscriptQuery, 'uuids'>)
  | ({ kind: 'find' } & TranscriptQuery)
  | ({ kind: 'read' } & TranscriptTail);

type Transcripts = Pick<ClaudeLauncher, 'findInTranscript' | 'hasConversation' | 'findTranscript' | 'readTranscript'>;

/** Reads transcripts below the home in this environment, which is the children's. */
export function createTranscripts(environment: NodeJS.ProcessEnv, lanes: TranscriptLanes): Transcripts {
  return {
    findInTranscript: async (query) =>
      new Set(query.uuids.length === 0 ? [] : await ask<string[]>({ kind: 'find', ...query }, environment)),
    hasConversation: (workingDirectory, claudeSessionId) =>
      ask<boolean>({ kind: 'exists', workingDirectory, claudeSessionId }, environment),
    findTranscript: (query) => findTranscript(environment, query),
    readTranscript: (tail) => lanes.through(() => readPages(tail, environment)),
  };
}

/** Whole conversations can be in memory during reads, and many children can end at once. */
const MAX_READERS = 2;
const DEADLINE_MS = 30_000;

/**
 * A thread for reading: the SDK reads a whole file (0.2 to 0.7 s for 50 MB), and it is large to load. A thread that
 * does not answer within 30 s is terminated.
 */
class Reader {
  readonly #worker: Worker;

  constructor(request: TranscriptRequest, env: NodeJS.ProcessEnv) {
    const script = fileURLToPath(new URL('./transcript-worker.js', import.meta.url));
    if (!existsSync(script)) throw new Error(`missing ${script}: the build is incomplete`);
    // Set explicitly: in a thread the home folder is that of the process, whatever `HOME` is there.
    const named = { ...env, CLAUDE_CONFIG_DIR: configFolder(env) };
    this.#worker = new Worker(script, { workerData: request, env: named });
    // It can fail while no request is pending; the next request gets no answer.
    this.#worker.on('error', () => {});
    this.#worker.unref();
  }

  async next(): Promise<unknown> {
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    const [answer] = (await once(this.#worker, 'message', { signal: deadline }).catch((error: Error) => {
      if (deadline.aborted) throw new Error('the transcript could not be read in 30 s');
      throw toCapacityError('The transcript could not be read', error);
    })) as [unknown];
    return answer;
  }

  more(): void {
    this.#worker.postMessage('more');
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}

async function ask<Answer>(request: TranscriptRequest, env: NodeJS.ProcessEnv): Promise<Answer> {
  const reader = new Reader(request, env);
  try {
    return (await reader.next()) as Answer;
  } finally {
    await reader.close();
  }
}

async function* readPages(tail: TranscriptTail, env: NodeJS.ProcessEnv): AsyncGenerator<TranscriptEntry[]> {
  const reader = new Reader({ kind: 'read', ...tail }, env);
  try {
    for (;;) {
      const page = (await reader.next()) as TranscriptEntry[] | undefined;
      if (!page) return;
      yield page;
      reader.more();
    }
  } finally {
    await reader.close();
  }
}

/** Allows two sequences of reads at a time across all people; the others queue. */
export class TranscriptLanes {
  readonly #ends = Array.from({ length: MAX_READERS }, () => Promise.resolve());
  #next = 0;

  async *through<Item>(open: () => AsyncIterable<Item>): AsyncGenerator<Item> {
    const lane = this.#next;
    this.#next = (lane + 1) % this.#ends.length;
    const before = this.#ends[lane];
    let leave = () => {};
    this.#ends[lane] = new Promise((resolve) => {
      leave = resolve;
    });
    try {
      await before;
      yield* open();
    } finally {
      leave();
    }
  }
}
