import { createHash } from 'node:crypto';
import type { Digest } from '../ports/audit.js';

/** What stands for a content or a path in the audit log: a text counts as its UTF-8. */
export const digestOf = (content: string | Uint8Array): Digest =>
  createHash('sha256').update(content).digest('hex') as Digest;
