/** What the console keeps of its sessions for when the daemon cannot be reached. Pure. */
import type { SessionView } from '../../protocol/rest.js';
import { type Item, LOADING, type Transcript } from './transcript.js';

export interface KeptTranscript {
  /** When it was seen; it can have changed since. */
  at: string;
  items: readonly Item[];
}

export interface Kept {
  /** When the list was seen. */
  at: string;
  sessions: readonly SessionView[];
  transcripts: ReadonlyMap<string, KeptTranscript>;
}

/** What it is taken from, of the state of the console. */
interface Seen {
  list: { kind: 'loading' | 'loaded' | 'failed' };
  sessions: ReadonlyMap<string, { view: SessionView }>;
  transcripts: ReadonlyMap<string, Transcript>;
}

/** Sessions in the list, sessions with messages, and the newest messages of each. */
const MAX_SESSIONS = 50;
const MAX_TRANSCRIPTS = 10;
const MAX_ITEMS = 100;
/** Of a text or of the input of a tool, in UTF-16 units: a phone has some hundred MB for all pages. */
const MAX_TEXT = 20_000;

/** What there is now, with what was kept before of sessions that were not opened since. */
export function keptOf(state: Seen, before: Kept | undefined, at: string): Kept {
  const opened = [...state.transcripts].flatMap(([sessionId, transcript]): [string, KeptTranscript][] =>
    transcript.phase === 'live' ? [[sessionId, { at, items: lastItems(transcript) }]] : [],
  );
  const known = state.list.kind === 'loaded' ? [...state.sessions.values()].map(({ view }) => view) : undefined;
  const isThere = (sessionId: string) => known === undefined || state.sessions.has(sessionId);
  // A map keeps the order in which its keys came first: the newest are put last.
  const all = new Map([...(before?.transcripts ?? [])].filter(([id]) => isThere(id)));
  for (const [sessionId, kept] of opened) {
    all.delete(sessionId);
    all.set(sessionId, kept);
  }
  return {
    at: known ? at : (before?.at ?? at),
    sessions: known
      ? known.toSorted((a, b) => b.lastActivity.localeCompare(a.lastActivity)).slice(0, MAX_SESSIONS)
      : (before?.sessions ?? []),
    transcripts: new Map([...all].slice(-MAX_TRANSCRIPTS)),
  };
}

/** To be shown as what it is: nothing of it is going on. */
export const asTranscript = ({ items }: KeptTranscript): Transcript => ({ ...LOADING, phase: 'live', items });

/** A text that was being written has no event, and its end is not known. */
const lastItems = ({ items }: Transcript): Item[] =>
  items
    .filter((item) => !('isStreamed' in item) || !item.isStreamed)
    .slice(-MAX_ITEMS)
    .map(shortened);

function shortened(item: Item): Item {
  if ('text' in item) return item.text.length > MAX_TEXT ? { ...item, text: `${item.text.slice(0, MAX_TEXT)}…` } : item;
  if (item.kind !== 'tool') return item;
  const isLong = (value: unknown) => (JSON.stringify(value) ?? '').length > MAX_TEXT;
  const input = isLong(item.input) ? {} : item.input;
  const result = item.result && isLong(item.result) ? { ...item.result, result: '…', change: undefined } : item.result;
  return { ...item, input, result: result as typeof item.result };
}
