import { createHash } from 'node:crypto';
import type { Digest } from '../ports/audit.js';

/** The digest of a content or path in the audit log; a text is hashed as UTF-8. */
export const digestOf = (content: string | Uint8Array): Digest =>
  createHash('sha256').update(content).digest('hex') as Digest;
