/** The number on the icon of the installed console: as the pushes set it, so does the page once it knows better. */
import type { Store } from '../store/store.js';

/** Follows what waits for an answer. Returns what ends that, and takes the number away. */
export function followBadge(store: Store): () => void {
  let shown: number | undefined;
  const show = (count: number) => {
    if (count === shown || !('setAppBadge' in navigator)) return;
    shown = count;
    // A platform can refuse it; nothing depends on it.
    navigator.setAppBadge(count).catch(() => {});
  };
  const unsubscribe = store.subscribe(() => {
    const { connection, permissions } = store.get();
    if (connection.kind === 'open') show(permissions.size);
  });
  return () => {
    unsubscribe();
    show(0);
  };
}
