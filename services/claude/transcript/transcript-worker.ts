/** The thread that reads transcripts with the Agent SDK. It answers one request, and the requester ends it. */
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { plainLine } from '../../../protocol/plain-text.js';
import type { ToldSaid } from '../../ports/search.js';
import type { FoundTranscript, ListedConversation, TranscriptEntry, TranscriptQuery } from '../../ports/transcripts.js';
import { saidPages } from './said-pages.js';
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
    case 'newest': {
      const newest: (ListedConversation | undefined)[] = [];
      for (const directory of query.workingDirectories) newest.push((await listed(directory, 1))[0]);
      parentPort?.postMessage(newest);
      return;
    }
    case 'find': {
      const found = new Set(await messageIds(query));
      parentPort?.postMessage(query.uuids.filter((uuid) => found.has(uuid)));
      return;
    }
    case 'before':
      parentPort?.postMessage(await idBefore(query));
      return;
    case 'endOfTurn':
      parentPort?.postMessage(await endOfTurn(query));
      return;
    case 'label':
      await label(query);
      parentPort?.postMessage(true);
      return;
    case 'list':
      parentPort?.postMessage(await listed(query.workingDirectory));
      return;
    case 'listAll':
      parentPort?.postMessage(await listedAll(query.limit));
      return;
    case 'said': {
      const { getSessionMessages } = await loadSdk();
      for (const page of saidPages(toEntries(await getSessionMessages(query.claudeSessionId)))) await sendPage(page);
      parentPort?.postMessage(undefined);
      return;
    }
    case 'read':
      for (const page of pagesOf(await entriesBehind(query))) await sendPage(page);
      parentPort?.postMessage(undefined);
  }
}

async function idBefore(query: Extract<TranscriptRequest, { kind: 'before' }>) {
  const ids = await messageIds(query);
  const at = ids.indexOf(query.uuid);
  const before = ids[at - 1];
  return at < 0 ? undefined : { ...(before !== undefined && { before }) };
}

async function endOfTurn(query: Extract<TranscriptRequest, { kind: 'endOfTurn' }>): Promise<string | undefined> {
  const ids = await messageIds(query);
  const at = ids.indexOf(query.uuid);
  const later = new Set(query.later);
  const next = ids.findIndex((id, index) => index > at && later.has(id));
  return at < 0 ? undefined : ids[(next < 0 ? ids.length : next) - 1];
}

async function label({ claudeSessionId, labels }: Extract<TranscriptRequest, { kind: 'label' }>): Promise<void> {
  const { archiveSession, tagSession, unarchiveSession } = await loadSdk();
  const { tag, archived } = labels;
  if (tag !== undefined) await tagSession(claudeSessionId, tag === '' ? null : tag);
  if (archived !== undefined) await (archived ? archiveSession : unarchiveSession)(claudeSessionId);
}

const MAX_TITLE = 200;
const MAX_FIRST_PROMPT = 500;

async function listed(dir: string, limit?: number): Promise<ListedConversation[]> {
  const { listSessions } = await loadSdk();
  // Those of other worktrees are of other directories.
  const found = await listSessions({ dir, includeWorktrees: false, ...(limit !== undefined && { limit }) });
  return found.map(
    ({ sessionId, summary, firstPrompt, createdAt, lastModified, fileSize, gitBranch, tag, archived }) => ({
      claudeSessionId: sessionId,
      title: plainLine(summary, MAX_TITLE),
      ...(firstPrompt !== undefined && { firstPrompt: plainLine(firstPrompt, MAX_FIRST_PROMPT) }),
      ...(createdAt !== undefined && { createdAt }),
      lastModified,
      ...(fileSize !== undefined && { size: fileSize }),
      ...(gitBranch !== undefined && { branch: plainLine(gitBranch, MAX_TITLE) }),
      ...(tag !== undefined && { tag: plainLine(tag, MAX_TITLE) }),
      ...(archived === true && { archived }),
    }),
  );
}

/** The newest in all directories. */
async function listedAll(limit: number): Promise<FoundTranscript[]> {
  const { listSessions } = await loadSdk();
  const found = await listSessions({ limit });
  return found.flatMap(({ sessionId: claudeSessionId, cwd: directory, fileSize: size = 0, lastModified }) =>
    directory === undefined ? [] : { claudeSessionId, directory, size, lastModified },
  );
}

/** Of the conversation in order. */
async function messageIds({ claudeSessionId, workingDirectory }: Omit<TranscriptQuery, 'uuids'>): Promise<string[]> {
  const { getSessionMessages } = await loadSdk();
  const messages = await getSessionMessages(claudeSessionId, { dir: workingDirectory });
  return messages.map(({ uuid }) => uuid);
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
async function sendPage(page: TranscriptEntry[] | ToldSaid[]): Promise<void> {
  parentPort?.postMessage(page);
  if (parentPort) await once(parentPort, 'message');
}
