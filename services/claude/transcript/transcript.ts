import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { toCapacityError } from '../../../protocol/failures.js';
import type { ClaudeLauncher } from '../../ports/claude.js';
import type { ToldSaid } from '../../ports/search.js';
import type {
  FoundTranscript,
  ListedConversation,
  TranscriptEntry,
  TranscriptQuery,
  TranscriptTail,
  WrittenLabels,
} from '../../ports/transcripts.js';
import { readLabels } from './conversation-labels.js';
import { configFolder, findTranscript } from './transcript-location.js';

/** The requests to the worker: whether a conversation exists, the newest, its message ids, the id before another, the last id of a turn, its content, new labels; the conversations of a directory, or of all; what was said in one. */
export type TranscriptRequest =
  | ({ kind: 'exists' } & Omit<TranscriptQuery, 'uuids'>)
  | { kind: 'newest'; workingDirectories: readonly string[] }
  | ({ kind: 'find' } & TranscriptQuery)
  | ({ kind: 'before' } & Parameters<ClaudeLauncher['findBefore']>[0])
  | ({ kind: 'endOfTurn' } & Parameters<ClaudeLauncher['findEndOfTurn']>[0])
  | { kind: 'list'; workingDirectory: string }
  | { kind: 'listAll'; limit: number }
  | { kind: 'said'; claudeSessionId: string }
  | ({ kind: 'read' } & TranscriptTail)
  | { kind: 'label'; claudeSessionId: string; labels: WrittenLabels };

type Transcripts = Pick<
  ClaudeLauncher,
  | 'findInTranscript'
  | 'findBefore'
  | 'findEndOfTurn'
  | 'hasConversation'
  | 'newestConversations'
  | 'listConversations'
  | 'listTranscripts'
  | 'readSaid'
  | 'findTranscript'
  | 'readTranscript'
  | 'readLabels'
  | 'writeLabels'
>;

/** Reads transcripts below the home in this environment, which is the children's. */
export function createTranscripts(environment: NodeJS.ProcessEnv, lanes: TranscriptLanes): Transcripts {
  return {
    findInTranscript: async (query) =>
      new Set(query.uuids.length === 0 ? [] : await ask<string[]>({ kind: 'find', ...query }, environment)),
    findBefore: (query) => ask({ kind: 'before', ...query }, environment),
    findEndOfTurn: (query) => lanes.run(() => ask<string | undefined>({ kind: 'endOfTurn', ...query }, environment)),
    hasConversation: (workingDirectory, claudeSessionId) =>
      ask<boolean>({ kind: 'exists', workingDirectory, claudeSessionId }, environment),
    newestConversations: (workingDirectories) => ask({ kind: 'newest', workingDirectories }, environment),
    listConversations: (workingDirectory) =>
      lanes.run(() => ask<ListedConversation[]>({ kind: 'list', workingDirectory }, environment)),
    listTranscripts: (limit) => lanes.run(() => ask<FoundTranscript[]>({ kind: 'listAll', limit }, environment)),
    readSaid: (claudeSessionId) =>
      lanes.through(() => readPages<ToldSaid>({ kind: 'said', claudeSessionId }, environment)),
    findTranscript: (query) => findTranscript(environment, query),
    readLabels: async ({ stamp, ...query }) => {
      const place = await findTranscript(environment, query);
      return place && readLabels(place.path, stamp);
    },
    writeLabels: async (query, labels) => {
      if (!(await findTranscript(environment, query))) return false;
      const request = { kind: 'label', claudeSessionId: query.claudeSessionId, labels } as const;
      return lanes.run(() => ask<boolean>(request, environment));
    },
    readTranscript: (tail) => lanes.through(() => readPages<TranscriptEntry>({ kind: 'read', ...tail }, environment)),
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

async function* readPages<Item>(request: TranscriptRequest, env: NodeJS.ProcessEnv): AsyncGenerator<Item[]> {
  const reader = new Reader(request, env);
  try {
    for (;;) {
      const page = (await reader.next()) as Item[] | undefined;
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
    const { before, leave } = this.#enter();
    try {
      await before;
      yield* open();
    } finally {
      leave();
    }
  }

  async run<Result>(task: () => Promise<Result>): Promise<Result> {
    const { before, leave } = this.#enter();
    try {
      await before;
      return await task();
    } finally {
      leave();
    }
  }

  #enter(): { before: Promise<void> | undefined; leave: () => void } {
    const lane = this.#next;
    this.#next = (lane + 1) % this.#ends.length;
    const before = this.#ends[lane];
    let leave = () => {};
    this.#ends[lane] = new Promise((resolve) => {
      leave = resolve;
    });
    return { before, leave };
  }
}
