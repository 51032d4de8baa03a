import type { ClientData } from '../../protocol/client-frames.js';
import { CompanionError } from '../../protocol/error-codes.js';
import type { Rewound } from '../../protocol/events.js';
import type { PromptId } from '../../protocol/scalars.js';
import type { PromptRecord } from '../ports/records.js';
import type { Reply } from '../sessions/session.js';
import type { Caller, CommandServices } from './command-context.js';
import { requirePromptOf } from './prompt.js';

/**
 * Puts files, conversation or both back to where they were before a prompt. Rejects with `NOT_FOUND` for an unknown
 * prompt, `INVALID_REQUEST` for one of another session, and `CONFLICT` for one that has not begun or while the session
 * is busy.
 */
export async function rewindSession(
  services: CommandServices,
  { caller, sessionId, promptId, what, dryRun = false }: ClientData<'rewind'> & { caller: Caller },
  reply: Reply<Rewound>,
): Promise<void> {
  const session = requirePromptOf(services, { caller, sessionId, promptId });
  const prompt = requireBegun(services, promptId);
  await session.rewind({ prompt, what, dryRun, byDeviceId: caller.device.deviceId }, reply);
}

function requireBegun({ journal }: CommandServices, promptId: PromptId): PromptRecord {
  const prompt = journal.findPrompt(promptId);
  if (prompt?.announced) return prompt;
  throw new CompanionError('CONFLICT', 'The prompt was never given to Claude.', {
    field: 'promptId',
    rule: 'must be a prompt that has begun',
  });
}
