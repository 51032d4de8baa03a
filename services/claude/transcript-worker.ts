/** The thread that reads transcripts with the Agent SDK. It answers one request, and the requester ends it. */
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import type { TranscriptEntry } from '../ports/claude.js';
import type { TranscriptRequest } from './transcript.js';
import { pagesOf, toEntries } from './transcript-entries.js';
import { uuidsBehind } from './transcript-location.js';

const request = workerData as TranscriptRequest;
await answer(request);

async function answer(query: TranscriptRequest): Promise<void> {
  switch (query.kind) {
    case 'exists': {
      const { getSessionInfo } = await loadSdk();
      const info = await getSessionInfo(query.claudeSessionId, { dir: query.workingDirectory });
      parentPort?.postMessage(info !== undefined);
      return;
    }
    case 'find': {
      const { getSessionMessages } = await loadSdk();
      const messages = await getSessionMessages(query.claudeSessionId, { dir: query.workingDirectory });
      const found = new Set(messages.map((message) => message.uuid));
      parentPort?.postMessage(query.uuids.filter((uuid) => found.has(uuid)));
      return;
    }
    case 'read':
      for (const page of pagesOf(await entriesBehind(query))) await sendPage(page);
      parentPort?.postMessage(undefined);
  }
}

/** Takes 0.1 s, which is saved where nothing was written. */
function loadSdk() {
  return import('@anthropic-ai/claude-agent-sdk');
}

/** Only the SDK knows which lines belong to the conversation, and in which order: it gets the whole file. */
async function entriesBehind({ claudeSessionId, path, from }: Extract<TranscriptRequest, { kind: 'read' }>) {
  const written = from === 0 ? undefined : await uuidsBehind(path, from);
  if (written?.size === 0) return [];
  const { getSessionMessages } = await loadSdk();
  const entries = toEntries(await getSessionMessages(claudeSessionId));
  return written ? entries.filter(({ uuid }) => written.has(uuid)) : entries;
}

/** Resolves when the next page is requested, so that the data between the threads is bounded. */
async function sendPage(page: TranscriptEntry[]): Promise<void> {
  parentPort?.postMessage(page);
  if (parentPort) await once(parentPort, 'message');
}
