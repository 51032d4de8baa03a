/** The thread that reads transcripts with the Agent SDK. One question, one answer. */
import { parentPort, workerData } from 'node:worker_threads';
import { getSessionInfo, getSessionMessages } from '@anthropic-ai/claude-agent-sdk';
import type { TranscriptRequest } from './transcript.js';

const request = workerData as TranscriptRequest;
parentPort?.postMessage(await answer(request));

async function answer(query: TranscriptRequest): Promise<string[] | boolean> {
  const dir = query.workingDirectory;
  if (!('uuids' in query)) return (await getSessionInfo(query.claudeSessionId, { dir })) !== undefined;
  const messages = await getSessionMessages(query.claudeSessionId, { dir });
  const found = new Set(messages.map((message) => message.uuid));
  return query.uuids.filter((uuid) => found.has(uuid));
}
