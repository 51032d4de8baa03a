import type { PushRecord } from '../ports/outbox.js';
import { isWaiting } from './concerns.js';
import type { About } from './push-about.js';
import type { OwedResult } from './push-digest.js';

/** Converts a row about a result for gathering. */
export function owedResultOf(options: {
  push: PushRecord;
  about: About;
  verdict: { at: number; expiresAt: number };
  project: string;
}): OwedResult {
  const { push, about, verdict, project } = options;
  if (about.what !== 'concern' || isWaiting(about.concern)) throw new Error(`${push.kind} is no result`);
  const { pushId } = push;
  return { pushId, concern: about.concern, owedAt: verdict.at, expiresAt: verdict.expiresAt, project };
}
