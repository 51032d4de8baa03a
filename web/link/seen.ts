/** Which ends of turns the person has seen in this browser, kept with it and shared by its tabs. */
import type { Seen } from '../store/inbox.js';

const KEY = 'seen-turns';

const NOTHING: Seen = { since: '', turns: new Map() };

let known: Seen | undefined;
const listeners = new Set<() => void>();

function read(): Seen {
  const kept = localStorage.getItem(KEY);
  if (kept === null) return NOTHING;
  try {
    const { since, turns } = JSON.parse(kept) as { since: string; turns: Record<string, string> };
    return { since, turns: new Map(Object.entries(turns)) };
  } catch {
    // It was altered by hand: everything is new again.
    return NOTHING;
  }
}

export function seenTurns(): Seen {
  known ??= read();
  return known;
}

export function watchSeen(listener: () => void): () => void {
  const onStorage = ({ key }: StorageEvent) => {
    if (key !== KEY) return;
    known = undefined;
    listener();
  };
  listeners.add(listener);
  addEventListener('storage', onStorage);
  return () => {
    listeners.delete(listener);
    removeEventListener('storage', onStorage);
  };
}

/** The end of the last turn of a session is not new any more. */
export function markSeen(sessionId: string, at: string): void {
  const { since, turns } = seenTurns();
  if ((turns.get(sessionId) ?? '') < at) keep({ since, turns: new Map(turns).set(sessionId, at) });
}

/** Sessions that are listed for the first time: what had ended before is not new. Others are forgotten. */
export function beginSeen(
  sessions: readonly { sessionId: string; lastPrompt?: { completedAt: string } | undefined }[],
): void {
  const isFirst = localStorage.getItem(KEY) === null;
  const { since, turns } = seenTurns();
  const ids = new Set(sessions.map(({ sessionId }) => sessionId));
  const ends = sessions.map(({ lastPrompt }) => lastPrompt?.completedAt ?? '');
  const listed = new Map([...turns].filter(([id]) => ids.has(id)));
  if (!isFirst && listed.size === turns.size) return;
  keep({ since: isFirst ? ends.reduce((last, end) => (end > last ? end : last), '') : since, turns: listed });
}

/** With the credential: it is another person's browser then. */
export function forgetSeen(): void {
  localStorage.removeItem(KEY);
  known = undefined;
}

function keep(seen: Seen): void {
  known = seen;
  try {
    localStorage.setItem(KEY, JSON.stringify({ since: seen.since, turns: Object.fromEntries(seen.turns) }));
  } catch {
    // The browser has no room: it is known until the page ends.
  }
  for (const listener of listeners) listener();
}
