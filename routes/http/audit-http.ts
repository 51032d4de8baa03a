import type { Request, Response } from 'express';
import type { RouteRule } from '../../protocol/commands.js';
import type { ErrorCode } from '../../protocol/error-codes.js';
import { digestOf } from '../../services/audit/digest-of.js';
import type { AuditEntry } from '../../services/ports/audit.js';
import type { RouteServices } from '../route-services.js';
import { failureOf, requestIdOf } from './http-errors.js';
import { findSender } from './principal.js';

type Entry = Omit<AuditEntry, 'outcome' | 'address' | 'requestId'> & { outcome?: ErrorCode };

/** Records the effect of a request; person and address are those of the request. */
export function auditHttp({ audit, admission }: RouteServices, response: Response, entry: Entry): void {
  const principal = findSender(response);
  const who = principal && {
    userId: principal.userId,
    credential: principal.credential,
    ...(principal.device && { deviceId: principal.device.deviceId }),
  };
  const address = principal?.credential === 'local' ? 'local' : admission.addressOf(response.req);
  audit.record({ outcome: 'ok', ...who, address, requestId: requestIdOf(response), ...entry });
}

/** Records a request of this route when it is complete. Routes of credentials record it themselves. */
export function auditRoute(services: RouteServices, rule: RouteRule, request: Request, response: Response): void {
  const { audit: action } = rule;
  if (!action) return;
  const sessionId = sessionIn(request.path);
  const path = rule.counts === 'files' ? { path: digestOf(request.path) } : {};
  response.once('finish', () => {
    const failure = failureOf(response);
    auditHttp(services, response, {
      action,
      ...(sessionId !== undefined && { sessionId }),
      ...path,
      ...(failure && { outcome: failure }),
    });
  });
}

const sessionIn = (path: string): string | undefined => /\/sessions\/([^/]+)/.exec(path)?.[1];
