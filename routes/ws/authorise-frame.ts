import type { ClientFrame } from '../../protocol/client-frames.js';
import { type CommandRule, FRAME_COMMANDS, type Prompted } from '../../protocol/commands.js';
import { CLOSE } from '../../protocol/error-codes.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { NamedDirectory } from '../../services/commands/command-context.js';
import { isShadowed } from '../../services/commands/prompt.js';
import { refuseCommand, requireCommand, requireLiberties, requireNeed } from '../access/admission.js';
import { RateLimitError } from '../access/rate-limits.js';
import { type ConnectionContext, callerOf, directoryOf } from './request-context.js';

/**
 * Counts a frame, well-formed or not. Rejects with `RATE_LIMITED`. A connection whose own refusals reach a person's
 * limit ignores them, and is closed; the person's other connections stay open.
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

/** The rule of a frame's command, for the data of this frame. */
export const frameRule = ({ type }: ClientFrame) => FRAME_COMMANDS[type] as CommandRule<ClientFrame['data']>;

/** Passes a counted frame to its handler. Rejects with `PERMISSION_DENIED` and `RATE_LIMITED`. */
export async function authoriseFrame(connection: ConnectionContext, frame: ClientFrame): Promise<void> {
  const { principal, services } = connection;
  const rule = frameRule(frame);
  requireNeed(principal, rule.needs);
  requireLiberties(principal, rule.liberties?.(frame.data));
  const prompted = rule.prompt?.(frame.data);
  if (!prompted) return;
  await authorisePrompt(connection, frame, prompted);
  if (isPrompt(prompted) && principal.credential !== 'local') {
    await services.admission.limits.take(rule.counts, principal.userId);
  }
}

const isPrompt = ({ text, attachments = [] }: Prompted): boolean => text.trim() !== '' || attachments.length > 0;

/** A harmless command of the CLI is not harmless where a definition of the person or the project replaces it. */
async function authorisePrompt(connection: ConnectionContext, frame: ClientFrame, { text, field }: Prompted) {
  const { principal, services } = connection;
  const command = requireCommand(principal, text, field);
  if (command === undefined || principal.scopes.has('approve')) return;
  const caller = callerOf({ connection, requestId: null });
  if (await isShadowed(services, { caller, command, at: placeOf(connection, frame.data) })) {
    throw refuseCommand({ name: command, scope: 'approve' }, field);
  }
}

/** A question without a directory runs in an empty folder, so checking the first root is at worst too strict. */
function placeOf(connection: ConnectionContext, data: ClientFrame['data']): SessionId | NamedDirectory {
  if ('sessionId' in data && data.sessionId !== undefined) return data.sessionId;
  if ('projectPath' in data) return directoryOf(connection, data.projectPath, 'projectPath');
  const path = ('workingDirectory' in data && data.workingDirectory) || '.';
  return directoryOf(connection, path, 'workingDirectory');
}
