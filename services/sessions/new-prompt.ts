import { randomUUID } from 'node:crypto';
import type { Attachment, DeviceId, PromptId, SessionId } from '../../protocol/scalars.js';
import { newId } from '../model/new-id.js';
import type { DeviceRef, PromptRecord, SessionRecord } from '../ports/records.js';
import type { OfferedPrompt } from './waiting-contents.js';

export interface NewPrompt {
  sessionId: SessionId;
  device: DeviceRef;
  requestId: string | null;
  text: string;
  mode?: PromptRecord['mode'] | undefined;
  allowedTools?: readonly string[] | undefined;
  via?: readonly SessionId[] | undefined;
  /** The `traceparent` of its request. */
  trace?: string | undefined;
  /** Fields of the first answer besides the ids of prompt and session. */
  answer?: Record<string, unknown>;
  /** Epoch milliseconds. */
  now: number;
}

/** A prompt that is not accepted yet, with new ids. */
export function newPrompt(options: NewPrompt): PromptRecord {
  const { sessionId, device, requestId, text, mode = 'queue', allowedTools = [], via = [] } = options;
  const { trace, answer = {}, now } = options;
  const promptId = newId() as PromptId;
  return {
    promptId,
    sessionId,
    device,
    requestId,
    uuid: randomUUID(),
    text,
    mode,
    ...(allowedTools.length > 0 && { allowedTools }),
    ...(via.length > 0 && { via }),
    ...(trace !== undefined && { trace }),
    state: 'queued',
    announced: false,
    createdAt: now,
    answer: { ...answer, sessionId, promptId },
  };
}

/** A prompt sent by a device, with its full text and attachments in memory. */
export function offerPrompt({
  attachments = [],
  ...options
}: NewPrompt & { attachments?: Attachment[] | undefined }): OfferedPrompt {
  const images = attachments.map(({ mediaType, data }) => ({ mediaType, data: Buffer.from(data, 'latin1') }));
  return { prompt: newPrompt(options), contents: { text: options.text, images } };
}

/** The sender of the daemon's own prompts. */
const COMPANION = 'companion' as DeviceId;

const TEXT =
  'The process that ran this conversation ended while it waited for permission, and the request has expired. ' +
  'Go on with what you were doing. Ask again for what needs permission.';

const UNKNOWN =
  'The process that ran this conversation ended while it waited for permission, and the request has expired. ' +
  'It had not stored what you were asked, which stands below the line. Do that. Ask again for what needs permission.';

/** What a dead child had not stored of a prompt, as far as it is on record. */
export interface LostPrompt {
  text: string;
  /** The text is not whole. */
  isCut: boolean;
  images: number;
  /** It is itself a prompt of the daemon's, which says by itself what to do. */
  isOwn: boolean;
}

/** The text of the prompt that continues the conversation of a lost child, where Claude does not know these prompts. */
export function continuationOf(lost: readonly LostPrompt[]): string {
  const asked = lost.filter(({ isOwn }) => !isOwn);
  const own = lost.find(({ isOwn }) => isOwn)?.text;
  if (asked.length === 0) return own ?? TEXT;
  const images = asked.reduce((sum, prompt) => sum + prompt.images, 0);
  const text = asked.map((prompt) => prompt.text).join('\n\n');
  const repeated = firstBytes(text, MAX_REPEATED_BYTES);
  const isCut = repeated.length < text.length || asked.some((prompt) => prompt.isCut);
  const notes = [
    ...(isCut ? ['It is too long to be repeated whole, and was cut.'] : []),
    ...(images > 0 ? [`Images that were attached (${images}) are not repeated: ask for them if you need them.`] : []),
  ];
  return [[UNKNOWN, ...notes].join(' '), '---', repeated].join('\n\n');
}

const MAX_REPEATED_BYTES = 64 * 1024;

/** The beginning of a text, cut at a character, in bytes of UTF-8. */
function firstBytes(text: string, max: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= max) return text;
  let end = max;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end).toString('utf8');
}

const AFTER_RESET = 'The usage limit that stopped you has reset. Continue with what you were doing.';

/** The daemon's own prompt that continues the conversation of a lost child. `now` is in epoch milliseconds. */
export const newResumption = (record: SessionRecord, now: number): PromptRecord => ownPrompt(record, TEXT, now);

/** The daemon's own prompt after the reset of a usage limit. `now` is in epoch milliseconds. */
export const newContinuation = (record: SessionRecord, now: number): PromptRecord =>
  ownPrompt(record, AFTER_RESET, now);

function ownPrompt({ sessionId, owner }: SessionRecord, text: string, now: number): PromptRecord {
  const device = { userId: owner, deviceId: COMPANION };
  return newPrompt({ sessionId, device, requestId: null, text, mode: 'resume', now });
}
