import type { DeviceId } from '../../protocol/scalars.js';
import type { PromptRecord, SessionRecord } from '../ports/records.js';
import { newPrompt } from './new-prompt.js';

/** The sender of the daemon's own prompts. */
const COMPANION = 'companion' as DeviceId;

const TEXT =
  'The process that ran this conversation ended while it waited for permission, and the request has expired. ' +
  'Go on with what you were doing. Ask again for what needs permission.';

/** The daemon's own prompt that continues the conversation of a lost child. `now` is in epoch milliseconds. */
export function newResumption({ sessionId, owner }: SessionRecord, now: number): PromptRecord {
  const device = { userId: owner, deviceId: COMPANION };
  return newPrompt({ sessionId, device, requestId: null, text: TEXT, mode: 'resume', now });
}
