import { useSyncExternalStore } from 'react';
import { type Daemons, openedDaemon, parseDaemons } from '../store/daemons.js';
import { keepText } from './kept-text.js';

const KEY = 'daemons';
const listeners = new Set<() => void>();
let last: { text: string | null; daemons: Daemons } | undefined;

/** The same value while nothing has changed. */
function kept(): Daemons {
  const text = localStorage.getItem(KEY);
  if (last?.text !== text) last = { text, daemons: parseDaemons(text) };
  return last?.daemons ?? [];
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  // Of another tab.
  addEventListener('storage', listener);
  return () => {
    listeners.delete(listener);
    removeEventListener('storage', listener);
  };
}

/** The other daemons that are known in this browser at this address. */
export const useDaemons = (): Daemons => useSyncExternalStore(subscribe, kept);

/** Returns whether the browser has room for them. */
export function keepDaemons(daemons: Daemons): boolean {
  const isKept = keepText(KEY, daemons.length === 0 ? '' : JSON.stringify(daemons));
  for (const listener of listeners) listener();
  return isKept;
}

/** To be told before its page is opened. */
export const noteOpened = (origin: string): boolean =>
  keepDaemons(openedDaemon(kept(), origin, new Date().toISOString()));
