/** What was sent and not answered yet: a page that is loaded then sends it again, and the daemon takes it once. */
import { newId } from '../link/new-id.js';
import { keepText } from './kept-text.js';

/** At the end of the turn, or into it. */
export type Mode = 'queue' | 'steer';

export interface Unsent {
  requestId: string;
  prompt: string;
  mode: Mode;
}

const keyOf = (sessionId: string) => `unsent-${sessionId}`;

export function unsentOf(sessionId: string): Unsent | undefined {
  const kept = localStorage.getItem(keyOf(sessionId));
  return kept === null ? undefined : (JSON.parse(kept) as Unsent);
}

/** The same text is the same prompt as the last one that was not taken. */
export function orderOf(prompt: string, mode: Mode, last: Unsent | undefined): Unsent {
  return { requestId: last?.prompt === prompt ? last.requestId : newId(), prompt, mode };
}

export const keepUnsent = (sessionId: string, unsent: Unsent): boolean =>
  keepText(keyOf(sessionId), JSON.stringify(unsent));

export const forgetUnsent = (sessionId: string): void => localStorage.removeItem(keyOf(sessionId));
