/** The thread that reads transcripts with the Agent SDK. It answers one question, and is ended by who asked. */
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { getSessionInfo, getSessionMessages } from '@anthropic-ai/claude-agent-sdk';
import type { TranscriptEntry } from '../ports/claude.js';
import type { TranscriptRequest } from './transcript.js';
import { pagesOf, toEntries } from './transcript-entries.js';
import { uuidsBehind } from './transcript-place.js';

const request = workerData as TranscriptRequest;
await answer(request);

async function answer(query: TranscriptRequest): Promise<void> {
  switch (query.kind) {
    case 'exists': {
      const info = await getSessionInfo(query.claudeSessionId, { dir: query.workingDirectory });
      parentPort?.postMessage(info !== undefined);
      return;
    }
    case 'find': {
      const messages = await getSessionMessages(query.claudeSessionId, { dir: query.workingDirectory });
      const found = new Set(messages.map((message) => message.uuid));
      parentPort?.postMessage(query.uuids.filter((uuid) => found.has(uuid)));
      return;
    }
    case 'read':
      await sendPages(toEntries(await getSessionMessages(query.claudeSessionId)), query);
  }
}

/** One page at a time: the next goes when it is asked for, so that what lies between the threads is bounded. */
async function sendPages(
  entries: TranscriptEntry[],
  { path, from }: Extract<TranscriptRequest, { kind: 'read' }>,
): Promise<void> {
  const written = from === 0 ? undefined : await uuidsBehind(path, from);
  for (const page of pagesOf(written ? entries.filter(({ uuid }) => written.has(uuid)) : entries)) {
    parentPort?.postMessage(page);
    if (parentPort) await once(parentPort, 'message');
  }
  parentPort?.postMessage(undefined);
}
