import { createContext, useContext, useSyncExternalStore } from 'react';
import type { Link } from '../link/link.js';
import type { ConsoleState } from '../store/console-state.js';
import type { Store } from '../store/store.js';

export interface ConsoleParts {
  store: Store;
  link: Link;
  /** Forgets the credential, and shows how to pair. */
  leave: () => Promise<void>;
}

export const ConsoleContext = createContext<ConsoleParts | undefined>(undefined);

export function useConsole(): ConsoleParts {
  const parts = useContext(ConsoleContext);
  if (!parts) throw new Error('outside of the console');
  return parts;
}

/** A part of the state; renders again when it is another one. */
export function useStore<Part>(select: (state: ConsoleState) => Part): Part {
  const { store } = useConsole();
  return useSyncExternalStore(store.subscribe, () => select(store.get()));
}
