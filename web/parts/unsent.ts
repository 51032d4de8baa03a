/** What was sent and not answered yet: a page that is loaded then sends it again, and the daemon takes it once. */
import { newId } from '../link/new-id.js';
import { keepText } from './kept-text.js';

/** At the end of the turn, or into it. */
export type Mode = 'queue' | 'steer';

export interface Unsent {
  requestId: string;
  prompt: string;
  mode: Mode;
  /** The ids of its images, which are kept apart. */
  images?: readonly string[];
}

const keyOf = (sessionId: string) => `unsent-${sessionId}`;

export function unsentOf(sessionId: string): Unsent | undefined {
  const kept = localStorage.getItem(keyOf(sessionId));
  return kept === null ? undefined : (JSON.parse(kept) as Unsent);
}

/** The same text with the same images is the same prompt as the last one that was not taken. */
export function orderOf(order: Required<Omit<Unsent, 'requestId'>>, last: Unsent | undefined): Unsent {
  const isSame = last?.prompt === order.prompt && String(last.images ?? []) === String(order.images);
  return { ...order, requestId: isSame ? last.requestId : newId() };
}

export const keepUnsent = (sessionId: string, unsent: Unsent): boolean =>
  keepText(keyOf(sessionId), JSON.stringify(unsent));

export const forgetUnsent = (sessionId: string): void => localStorage.removeItem(keyOf(sessionId));
