/** Requests that depend on the version of what they ask for or change (RFC 9110, section 13). */
import { createHash } from 'node:crypto';
import type { Request, Response } from 'express';
import type { RouteRule } from '../../protocol/commands/rest.js';
import { CompanionError, invalid } from '../../protocol/error-codes.js';
import { StatusError } from './http-errors.js';

const LENGTH = 22;

/** A short name for a version: equal for equal values. */
export const versionOf = (value: unknown): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('base64url').slice(0, LENGTH);

/** Names the version of the answer. Answers 304 where the client has it already, and returns whether it did. */
export function isKnown(response: Response, version: string): boolean {
  response.set('ETag', `"${version}"`);
  if (!response.req.fresh) return false;
  response.status(304).end();
  return true;
}

const TAGS = /^\s*(?:W\/)?"[\x21\x23-\x7e]*"(?:\s*,\s*(?:W\/)?"[\x21\x23-\x7e]*")*\s*$/;
const TAG = /(W\/)?"([^"]*)"/g;

/**
 * What `If-Match` permits, undefined for any version. Throws `INVALID_REQUEST`. A weak tag permits nothing, because it
 * names no version exactly.
 */
export function readIfMatch({ headers }: Pick<Request, 'headers'>): ReadonlySet<string> | undefined {
  const { 'if-match': given } = headers;
  if (given === undefined || given.trim() === '*') return undefined;
  if (!TAGS.test(given)) throw invalid('If-Match', 'must be * or a list of entity tags in quotes');
  const strong = [...given.matchAll(TAG)].filter(([, weak]) => weak === undefined);
  // Behind a dot is the version of what the answer says besides.
  return new Set(strong.map(([, , tag = '']) => tag.split('.')[0] ?? ''));
}

/** Checks the present version when it is called, as `requireMatch` does; undefined where the request permits any. */
export function guardOf(request: Pick<Request, 'headers'>, present: () => string): (() => void) | undefined {
  const permitted = readIfMatch(request);
  return permitted && (() => requireMatch(permitted, present()));
}

/** Throws `CONFLICT` with status 412 for a change that wants a version of what has none. */
export function refuseUnversioned(request: Request, rule: Pick<RouteRule, 'method' | 'versioned'> | undefined): void {
  if (!rule || rule.method === 'GET' || rule.versioned || readIfMatch(request) === undefined) return;
  const why = 'must be left out: what this request changes has no version';
  throw new StatusError(412, new CompanionError('CONFLICT', `If-Match: ${why}`, { field: 'If-Match', rule: why }));
}

/** Throws `CONFLICT` with status 412 unless this version is permitted. */
export function requireMatch(permitted: ReadonlySet<string> | undefined, version: string): void {
  if (!permitted || permitted.has(version)) return;
  const rule = 'must be the ETag of the present version';
  throw new StatusError(412, new CompanionError('CONFLICT', `If-Match: ${rule}`, { field: 'If-Match', rule }));
}
