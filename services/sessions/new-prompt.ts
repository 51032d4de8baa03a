import { randomUUID } from 'node:crypto';
import { nanoid } from 'nanoid';
import type { Attachment, PromptId, SessionId } from '../../protocol/scalars.js';
import type { DeviceRef, PromptRecord } from '../ports/records.js';
import type { OfferedPrompt } from './waiting-contents.js';

export interface NewPrompt {
  sessionId: SessionId;
  device: DeviceRef;
  requestId: string | null;
  text: string;
  mode?: PromptRecord['mode'] | undefined;
  /** Fields of the first answer besides the ids of prompt and session. */
  answer?: Record<string, unknown>;
  /** Epoch milliseconds. */
  now: number;
}

/** A prompt that is not accepted yet, with new ids. */
export function newPrompt(options: NewPrompt): PromptRecord {
  const { sessionId, device, requestId, text, mode = 'queue', answer = {}, now } = options;
  const promptId = nanoid() as PromptId;
  return {
    promptId,
    sessionId,
    device,
    requestId,
    uuid: randomUUID(),
    text,
    mode,
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
