import { FRAME_NEEDS } from '../../protocol/access.js';
import type { ClientFrame } from '../../protocol/client-frames.js';
import { CLOSE } from '../../protocol/error-codes.js';
import { requireLiberties, requireScope } from '../access/admission.js';
import { RateLimitError } from '../access/rate-limits.js';
import { admitCommand } from './admit-command.js';
import type { ConnectionContext } from './request-context.js';

/**
 * Counts a frame, well-formed or not. Rejects with `RATE_LIMITED`. A connection that alone was refused as many as a
 * person may send does not listen, and is closed; the person's others may be quiet, and are not.
 */
export async function countFrame(connection: ConnectionContext): Promise<void> {
  if (connection.principal.credential === 'local') return;
  const { limits } = connection.services.admission;
  try {
    await limits.take('frames', connection.principal.userId);
  } catch (error) {
    if (!(error instanceof RateLimitError)) throw error;
    const { limit, resetMs } = error.allowance;
    if (connection.refusals.add(resetMs) >= limit) connection.expel(CLOSE.tooManyRequests, 'too many frames');
    throw error;
  }
}

/** Lets a frame that was counted through to its handler. Rejects with `PERMISSION_DENIED` and `RATE_LIMITED`. */
export async function admitFrame(connection: ConnectionContext, frame: ClientFrame): Promise<void> {
  const { principal, services } = connection;
  requireScope(principal, FRAME_NEEDS[frame.type]);
  if (frame.type === 'streamStart') requireLiberties(principal, frame.data.options ?? {});
  if (frame.type === 'setPermissionMode') requireLiberties(principal, { permissionMode: frame.data.mode });
  await admitCommand(connection, frame);
  if (isPrompt(frame) && principal.credential !== 'local') {
    await services.admission.limits.take('prompts', principal.userId);
  }
}

function isPrompt(frame: ClientFrame): boolean {
  if (frame.type !== 'streamStart') return PROMPTS.has(frame.type);
  return frame.data.prompt.trim() !== '' || (frame.data.attachments ?? []).length > 0;
}

const PROMPTS: ReadonlySet<ClientFrame['type']> = new Set(['streamSend', 'claudeCommand', 'ask']);
