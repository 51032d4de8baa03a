import type { ClientFrame } from '../../protocol/client-frames.js';
import type { CommandPlace } from '../../services/sessions/start-session.js';
import { refuseCommand, requireCommand } from '../access/admission.js';
import type { ConnectionContext } from './request-context.js';
import { directoryOf, sessionOf } from './session-frames.js';

/**
 * Lets a prompt through that is no command of the CLI, or one for which the credential is good. Rejects with
 * `PERMISSION_DENIED`. A harmless command is not, where a definition of the person or the project stands in its place.
 */
export async function admitCommand(connection: ConnectionContext, frame: ClientFrame): Promise<void> {
  const found = textOf(frame);
  const { principal, services } = connection;
  const harmless = found && requireCommand(principal, found.text, found.field);
  if (!found || harmless === undefined || principal.scopes.has('approve')) return;
  const place = { person: principal.userId, ...placeOf(connection, frame) };
  if (await services.starter.isShadowed(harmless, place)) {
    throw refuseCommand({ name: harmless, scope: 'approve' }, found.field);
  }
}

function textOf({ type, data }: ClientFrame): { text: string; field: string } | undefined {
  if (type === 'claudeCommand') return { text: data.command, field: 'command' };
  return 'prompt' in data ? { text: data.prompt, field: 'prompt' } : undefined;
}

type Place = Omit<CommandPlace, 'person'>;

/** A question without a directory runs in an empty folder, so what is in the first root says too much at worst. */
function placeOf(connection: ConnectionContext, { type, data }: ClientFrame): Place {
  const id = 'sessionId' in data && type !== 'getMessageHistory' ? data.sessionId : undefined;
  const session = typeof id === 'string' ? sessionOf(connection, id) : undefined;
  if ('projectPath' in data) return { session, directory: directoryOf(connection, data.projectPath, 'projectPath') };
  const path = ('workingDirectory' in data && data.workingDirectory) || '.';
  return { session, directory: directoryOf(connection, path, 'workingDirectory') };
}
