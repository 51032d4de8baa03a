import { randomUUID } from 'node:crypto';
import { nanoid } from 'nanoid';
import type { Attachment, PromptId, SessionId } from '../../protocol/scalars.js';
import type { DeviceRef, PromptRecord } from '../ports/records.js';

export interface NewPrompt {
  sessionId: SessionId;
  device: DeviceRef;
  requestId: string | null;
  text: string;
  attachments?: Attachment[] | undefined;
  mode?: PromptRecord['mode'] | undefined;
  /** What the first answer says besides the ids of prompt and session. */
  answer?: Record<string, unknown>;
  /** Epoch milliseconds. */
  now: number;
}

/** A prompt that nobody has accepted yet, with ids of its own. */
export function newPrompt(options: NewPrompt): PromptRecord {
  const { sessionId, device, requestId, text, attachments = [], mode = 'queue', answer = {}, now } = options;
  const promptId = nanoid() as PromptId;
  return {
    promptId,
    sessionId,
    device,
    requestId,
    uuid: randomUUID(),
    text,
    attachments,
    mode,
    state: 'queued',
    announced: false,
    createdAt: now,
    answer: { ...answer, sessionId, promptId },
  };
}
