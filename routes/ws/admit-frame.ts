import { FRAME_NEEDS } from '../../protocol/access.js';
import type { ClientFrame } from '../../protocol/client-frames.js';
import { CLOSE } from '../../protocol/error-codes.js';
import { requireLiberties, requireScope } from '../access/admission.js';
import { RateLimitError } from '../access/rate-limits.js';
import type { ConnectionContext } from './request-context.js';

/** Whoever goes on for this many times the limit does not listen. */
const PATIENCE = 2;

/** Counts a frame that is not an acknowledgement, well-formed or not. Rejects with `RATE_LIMITED`. */
export async function countFrame(connection: ConnectionContext): Promise<void> {
  if (connection.principal.credential === 'local') return;
  const { limits } = connection.services.admission;
  try {
    await limits.take('frames', connection.principal.userId);
  } catch (error) {
    const isDeaf = error instanceof RateLimitError && error.allowance.consumed > PATIENCE * error.allowance.limit;
    if (isDeaf) connection.expel(CLOSE.tooManyRequests, 'too many frames');
    throw error;
  }
}

/** Lets a frame through to its handler. Rejects with `PERMISSION_DENIED` and `RATE_LIMITED`. */
export async function admitFrame(connection: ConnectionContext, frame: ClientFrame): Promise<void> {
  const { principal, services } = connection;
  if (frame.type !== 'ack') await countFrame(connection);
  requireScope(principal, FRAME_NEEDS[frame.type]);
  if (frame.type === 'streamStart') requireLiberties(principal, frame.data.options ?? {});
  if (frame.type === 'setPermissionMode') requireLiberties(principal, { permissionMode: frame.data.mode });
  if (isPrompt(frame) && principal.credential !== 'local') {
    await services.admission.limits.take('prompts', principal.userId);
  }
}

function isPrompt(frame: ClientFrame): boolean {
  if (frame.type !== 'streamStart') return PROMPTS.has(frame.type);
  return frame.data.prompt.trim() !== '' || (frame.data.attachments ?? []).length > 0;
}

const PROMPTS: ReadonlySet<ClientFrame['type']> = new Set(['streamSend', 'claudeCommand', 'ask']);
