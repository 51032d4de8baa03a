import type { IncomingMessage } from 'node:http';
import type { ErrorRequestHandler } from 'express';
import { CompanionError } from '../../protocol/error-codes.js';
import { networkOf } from '../access/client-address.js';
import type { RouteServices } from '../route-services.js';
import { findPrincipal } from './principal.js';

/** Counts a request of an unknown client by its address. Rejects with `RATE_LIMITED`. */
export async function countStranger({ admission }: RouteServices, request: IncomingMessage): Promise<void> {
  await admission.limits.take('reads', networkOf(admission.addressOf(request)));
}

/** Where unknown clients can send requests, and wrong credentials are counted: a malformed request counts as well. */
export const countMalformed =
  (services: RouteServices): ErrorRequestHandler =>
  async (thrown: unknown, request, response, next) => {
    if (isMalformed(thrown) && !findPrincipal(response)) await countStranger(services, request);
    next(thrown);
  };

/** A body that could not be parsed, by the daemon's own error or the parser's. */
function isMalformed(thrown: unknown): boolean {
  if (thrown instanceof CompanionError) return thrown.code === 'INVALID_REQUEST' || thrown.code === 'PAYLOAD_TOO_LARGE';
  const status = typeof thrown === 'object' && thrown !== null && 'status' in thrown ? thrown.status : undefined;
  return typeof status === 'number' && status >= 400 && status < 500;
}
