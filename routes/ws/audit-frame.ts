import type { ClientFrame } from '../../protocol/client-frames.js';
import { CompanionError, type ErrorCode } from '../../protocol/error-codes.js';
import { digestOf } from '../../services/audit/digest-of.js';
import type { AuditEntry } from '../../services/ports/audit.js';
import { frameRule } from './authorise-frame.js';
import type { ConnectionContext } from './request-context.js';

type KnownContent = Pick<AuditEntry, 'action' | 'sessionId' | 'permissionId' | 'digest'>;

/** Records the effect of a frame, or its refusal. */
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

/** Undefined for frames that are not audited: acknowledgements, presence and the like. */
function saidBy(frame: ClientFrame): KnownContent | undefined {
  const { audit: action, said } = frameRule(frame);
  const { data } = frame;
  return (
    action && {
      action,
      ...('sessionId' in data && data.sessionId !== undefined && { sessionId: data.sessionId }),
      ...('permissionId' in data && data.permissionId !== undefined && { permissionId: data.permissionId }),
      ...(said && { digest: digestOf(said(data)) }),
    }
  );
}
