import type { ClientFrame } from '../../protocol/client-frames.js';
import { CompanionError, type ErrorCode } from '../../protocol/error-codes.js';
import { digestOf } from '../../services/audit/digest-of.js';
import type { AuditEntry } from '../../services/ports/audit.js';
import type { ConnectionContext } from './request-context.js';

type Said = Pick<AuditEntry, 'action' | 'sessionId' | 'permissionId' | 'digest'>;

/** Records what a frame has done, or was refused with. */
export function auditFrame(connection: ConnectionContext, frame: ClientFrame, error?: unknown): void {
  const said = saidBy(frame);
  if (!said) return;
  const { services, principal, device, address } = connection;
  services.audit.record({
    ...said,
    outcome: error === undefined ? 'ok' : codeOf(error),
    ...device,
    credential: principal.credential,
    address,
    ...(frame.requestId !== null && { requestId: frame.requestId }),
  });
}

const codeOf = (error: unknown): ErrorCode => (error instanceof CompanionError ? error.code : 'INTERNAL_ERROR');

/** Undefined for what is of no interest: acknowledgements, presence and the like. */
function saidBy(frame: ClientFrame): Said | undefined {
  switch (frame.type) {
    case 'streamStart':
    case 'ask':
      return { action: 'prompt', digest: digestOf(frame.data.prompt) };
    case 'streamSend':
      return { action: 'prompt', sessionId: frame.data.sessionId, digest: digestOf(frame.data.prompt) };
    case 'claudeCommand':
      return { action: 'prompt', ...sessionOf(frame.data.sessionId), digest: digestOf(frame.data.command) };
    case 'permission': {
      const { sessionId, permissionId, response } = frame.data;
      return { action: 'approve', sessionId, digest: digestOf(response), ...(permissionId && { permissionId }) };
    }
    case 'interrupt':
      return { action: 'interrupt', sessionId: frame.data.sessionId };
    case 'cancelPrompt':
      return { action: 'interrupt' };
    case 'streamClose':
      return { action: 'close', sessionId: frame.data.sessionId };
    case 'subscribe':
      return { action: 'read' };
    case 'getMessageHistory':
      return { action: 'read', sessionId: frame.data.sessionId };
    case 'setModel':
    case 'setPermissionMode':
      return { action: 'settings', sessionId: frame.data.sessionId };
    case 'registerDevice':
      return { action: 'settings' };
    case 'reauthenticate':
      return { action: 'refresh' };
    case 'ack':
    case 'unsubscribe':
    case 'setWorkingDirectory':
    case 'clientBackgrounding':
    case 'clientForegrounding':
    case 'ping':
      return undefined;
  }
}

const sessionOf = (sessionId: string | undefined) => (sessionId === undefined ? {} : { sessionId });
