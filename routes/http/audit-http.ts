import type { Request, Response } from 'express';
import type { RouteRule } from '../../protocol/commands/rest.js';
import type { ErrorCode } from '../../protocol/error-codes.js';
import type { AuditEntry } from '../../services/ports/audit.js';
import { digestOf } from '../../services/telemetry/digest-of.js';
import type { RouteServices } from '../route-services.js';
import { failureOf, requestIdOf } from './http-errors.js';
import { findSender, sessionIn } from './request-context.js';
import { isReplayed } from './run-once.js';

type Entry = Omit<AuditEntry, 'outcome' | 'address' | 'requestId'> & { outcome?: ErrorCode };

/** Records the effect of a request; person and address are those of the request. */
export function auditHttp({ audit, admission }: RouteServices, response: Response, entry: Entry): void {
  const principal = findSender(response);
  const who = principal && {
    userId: principal.userId,
    credential: principal.key?.keyId ?? principal.credential,
    ...(principal.device && { deviceId: principal.device.deviceId }),
  };
  const address = principal?.credential === 'local' ? 'local' : admission.addressOf(response.req);
  audit.record({ outcome: 'ok', ...who, address, requestId: requestIdOf(response), ...entry });
}

/** Records a request of this route when it is complete, and has run. Routes of credentials record it themselves. */
export function auditRoute(services: RouteServices, rule: RouteRule, request: Request, response: Response): void {
  const { audit: action } = rule;
  if (!action) return;
  const sessionId = sessionIn(request.path);
  const path = rule.counts === 'files' ? { path: digestOf(request.path) } : {};
  // Remembered: the connection can have ended by then.
  services.admission.addressOf(request);
  response.once('finish', () => {
    if (isReplayed(response)) return;
    const failure = failureOf(response);
    const said = saidIn(rule, request);
    auditHttp(services, response, {
      action,
      ...(said !== undefined && { digest: digestOf(said) }),
      ...(sessionId !== undefined && { sessionId }),
      ...path,
      ...(failure && { outcome: failure }),
    });
  });
}

/** The text for Claude in a body, which can be any JSON when it was refused. */
function saidIn({ prompt }: RouteRule, { body }: Request): string | undefined {
  if (!prompt || typeof body !== 'object' || body === null) return undefined;
  const { text } = prompt(body as never) as { text: unknown };
  return typeof text === 'string' ? text : undefined;
}
