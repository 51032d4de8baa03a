/** A newer push replaces an older one with the same id on the device. */
import { createHash } from 'node:crypto';
import type { Concern } from './concerns.js';
import { isWaiting } from './concerns.js';

/** The smallest limit of the services, in bytes: Apple's `apns-collapse-id`. */
const MAX_BYTES = 64;

/** The ids are sent in headers. */
const isPlain = (id: string): boolean => id.length <= MAX_BYTES && /^[\x21-\x7e]+$/.test(id);

function idOf(kind: 'ask' | 'turn', ...parts: string[]): string {
  const id = [kind, ...parts].join('.');
  if (isPlain(id)) return id;
  // Ids of requests come from the CLI, and can have any length.
  return `${kind}.${createHash('sha256').update(JSON.stringify(parts)).digest('base64url')}`;
}

/** One for each request, and one for all results of a session. At most 64 bytes of printable ASCII. */
export const collapseIdOf = (concern: Concern): string =>
  isWaiting(concern) ? idOf('ask', concern.sessionId, concern.request.permissionId) : idOf('turn', concern.sessionId);

export const DIGEST_COLLAPSE_ID = 'digest';
export const TEST_COLLAPSE_ID = 'test';
export const SECURITY_COLLAPSE_ID = 'security';
