/** Frames that no well-meaning client sends, from a grammar and by mutation of good ones. */
import { CLIENT_FRAMES, type ClientFrameType, type ClientInput } from '../../../protocol/client-frames.js';
import { inventText, spoilText, spoilValue } from './mutations.js';
import type { Random } from './random.js';

const sessionId = 'no-such-session';
const place = '/no/such/place';

const EXAMPLES: { [T in ClientFrameType]: ClientInput<T> } = {
  subscribe: { events: ['*'], sessionIds: [sessionId], cursors: { [sessionId]: { epoch: 'e', seq: 1 } } },
  unsubscribe: { sessionIds: [sessionId] },
  ack: { sessionId, seq: 3 },
  streamStart: {
    prompt: 'Hello.',
    workingDirectory: place,
    options: {
      sessionName: 'name',
      preserveContext: true,
      model: 'opus',
      permissionMode: 'plan',
      allowedTools: ['Bash'],
    },
    attachments: [{ mediaType: 'image/png', data: 'AAAA', name: 'dot.png' }],
  },
  streamSend: { sessionId, prompt: 'Hello.', mode: 'steer', attachments: [{ mediaType: 'image/gif', data: 'AAAA' }] },
  cancelPrompt: { promptId: 'no-such-prompt' },
  editPrompt: { promptId: 'no-such-prompt', prompt: 'Hello.' },
  movePrompt: { promptId: 'no-such-prompt', before: 'another' },
  clearQueue: { sessionId },
  continueQueue: { sessionId },
  interrupt: { sessionId, clearQueue: true, holdQueue: false },
  rewind: { sessionId, promptId: 'no-such-prompt', what: 'files', dryRun: true },
  streamClose: { sessionId, reason: 'done' },
  permission: {
    sessionId,
    permissionId: 'p',
    response: 'y',
    remember: true,
    updatedInput: { a: { b: [1] } },
    answers: { q: 'a' },
  },
  setModel: { sessionId, model: 'opus' },
  setPermissionMode: { sessionId, mode: 'plan' },
  setEffort: { sessionId, effort: 'high' },
  setThinking: { sessionId, maxTokens: 1024 },
  addDirectory: { sessionId, directory: place },
  getTaskOutput: { sessionId, taskId: 't' },
  stopTask: { sessionId, taskId: 't' },
  backgroundTask: { sessionId, toolId: 't' },
  setWorkingDirectory: { workingDirectory: place },
  claudeCommand: { command: '/help', projectPath: place, sessionId },
  ask: { prompt: 'Why?', workingDirectory: place, options: { format: 'json', timeout: 1000 } },
  getMessageHistory: { sessionId, limit: 10, offset: 0, before: 5, after: 1 },
  sessionCapabilities: { sessionId },
  suggestFiles: { sessionId, query: 'src/' },
  contextUsage: { sessionId },
  sideQuestion: { sessionId, question: 'Why?' },
  registerDevice: { token: 't', platform: 'ntfy', name: 'n', preferences: { enabled: true, kinds: { plan: false } } },
  clientBackgrounding: {},
  clientForegrounding: {},
  reauthenticate: { token: 'not-a-token' },
  ping: {},
};
const TYPES = Object.keys(EXAMPLES) as ClientFrameType[];

/** These would start a program or write a file if they were good. */
const COSTLY: ReadonlySet<string> = new Set(['streamStart', 'claudeCommand', 'ask', 'registerDevice']);

export interface SentFrame {
  bytes: Buffer;
  binary: boolean;
  /** In two WebSocket frames. */
  fragmented: boolean;
  /** What an answer to it must carry. */
  requestId: string | null;
}

const LONG = 70_000;

/** A frame whose answer can be told apart: `id` stands in it unless that too is spoilt. */
export function malformedFrame(id: string, random: Random): SentFrame {
  const text = malformedText(id, random);
  const binary = random.chance(0.02);
  return {
    bytes: Buffer.from(text),
    binary,
    fragmented: random.chance(0.01),
    requestId: binary ? null : requestIdIn(Buffer.from(text).toString('utf8')),
  };
}

function malformedText(id: string, random: Random): string {
  for (;;) {
    const text = anyText(id, random);
    if (!isCostly(text)) return text;
  }
}

function anyText(id: string, random: Random): string {
  const type = random.pick(TYPES);
  const frame = { type, requestId: id, timestamp: '2026-01-01T00:00:00.000Z', data: EXAMPLES[type] };
  const kind = random.next();
  if (kind < 0.05) return inventText(random);
  if (kind < 0.4) return spoilText(JSON.stringify(frame), random);
  if (kind < 0.405) return spoilValue({ ...frame, data: { ...frame.data, prompt: 'x'.repeat(LONG) } }, random);
  return spoilValue(frame, random);
}

function isCostly(text: string): boolean {
  const frame = parsed(text);
  if (typeof frame?.type !== 'string' || !COSTLY.has(frame.type)) return false;
  return CLIENT_FRAMES[frame.type as ClientFrameType].safeParse(frame.data ?? {}).success;
}

function requestIdIn(text: string): string | null {
  const id = parsed(text)?.requestId;
  return typeof id === 'string' && id.length <= 128 && !/\p{Surrogate}/u.test(id) ? id : null;
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
