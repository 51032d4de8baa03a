/** What has come into a session while its person was away. Pure. */
import type { PermissionRequest } from './console-state.js';
import type { Item } from './transcript.js';

/** How far a person has seen a session. */
export interface Mark {
  /** Of the last message or tool; absent before the first. */
  key?: string;
  /** The requests that were open. */
  requests: readonly string[];
}

export interface Away {
  mark: Mark;
  /** The last item when the person came back. What is replayed after that was missed as well. */
  upTo: string | undefined;
}

export interface Missed {
  /** Turns that have ended. */
  answers: number;
  /** What Claude has said in a turn that goes on. */
  messages: number;
  questions: number;
  permissions: number;
  /** There can be more than what is loaded. */
  isMore: boolean;
  /** The id of the first message or tool. */
  first: string | undefined;
}

/** Kinds that the history of a session has as well, under the same key. */
const isLasting = (item: Item): boolean =>
  item.kind === 'human' || ((item.kind === 'text' || item.kind === 'tool') && item.parent === undefined);

export function markOf(items: readonly Item[], requests: readonly PermissionRequest[]): Mark {
  const key = items.findLast((item) => isLasting(item) && !('isStreamed' in item && item.isStreamed))?.key;
  return { ...(key !== undefined && { key }), requests: requests.map(({ permissionId }) => permissionId) };
}

export interface Shown {
  items: readonly Item[];
  /** The last item that came late: see `Transcript`. */
  replayed: string | undefined;
  /** Those that are open. */
  requests: readonly PermissionRequest[];
}

/** Undefined where nothing was missed, and once the person has gone on. */
export function missedIn({ items, replayed, requests }: Shown, { mark, upTo }: Away): Missed | undefined {
  const from = mark.key === undefined ? -1 : items.findLastIndex(({ key }) => key === mark.key);
  const to = Math.max(...[upTo, replayed].map((last) => items.findLastIndex(({ key }) => key === last)));
  if (items.slice(to + 1).some(({ kind }) => kind === 'human')) return undefined;
  const came = items.slice(from + 1, to + 1);
  const asked = requests.filter(({ permissionId }) => !mark.requests.includes(permissionId));
  const questions = asked.filter(({ kind }) => kind === 'question' || kind === 'elicitation').length;
  const counts = { ...saidIn(came), questions, permissions: asked.length - questions };
  if (Object.values(counts).every((count) => count === 0)) return undefined;
  return { ...counts, isMore: from < 0 && mark.key !== undefined, first: idOf(came.find(isLasting)) };
}

/** An end belongs to what was said before it: one whose words were seen is no news. */
function saidIn(items: readonly Item[]): Pick<Missed, 'answers' | 'messages'> {
  let answers = 0;
  let messages = 0;
  for (const item of items) {
    if (item.kind === 'text' && item.parent === undefined) messages += 1;
    if (item.kind !== 'end' || messages === 0) continue;
    answers += 1;
    messages = 0;
  }
  return { answers, messages };
}

/** Of a text: its key is the id of its message and its place in it. */
const idOf = (item: Item | undefined): string | undefined =>
  item?.kind === 'text' ? item.key.slice(0, item.key.lastIndexOf('/')) : item?.key;
