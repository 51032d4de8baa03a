import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { toCapacityError } from '../../protocol/capacity-error.js';
import type { ClaudeSessionId } from '../../protocol/scalars.js';
import type { TranscriptQuery } from '../ports/claude.js';

/** What the worker is asked; it answers with the uuids that it found, or whether the conversation is there. */
export type TranscriptRequest = TranscriptQuery | Omit<TranscriptQuery, 'uuids'>;

/** Reads transcripts in a thread of its own: the SDK reads a whole file (0.2 to 0.7 s for 50 MB), and it is large to load. */
function ask<Answer>(request: TranscriptRequest): Promise<Answer> {
  const script = fileURLToPath(new URL('./transcript-worker.js', import.meta.url));
  if (!existsSync(script)) return Promise.reject(new Error(`missing ${script}: the build is incomplete`));
  return new Promise<Answer>((resolve, reject) => {
    const worker = new Worker(script, { workerData: request });
    worker.once('message', resolve);
    worker.once('error', reject);
  }).catch((error: unknown) => {
    throw toCapacityError('The transcript could not be read', error);
  });
}

export const findInTranscript = async (query: TranscriptQuery): Promise<Set<string>> =>
  new Set(query.uuids.length === 0 ? [] : await ask<string[]>(query));

export const hasConversation = (workingDirectory: string, claudeSessionId: ClaudeSessionId): Promise<boolean> =>
  ask<boolean>({ workingDirectory, claudeSessionId });
