import { afterEach, beforeEach } from '@jest/globals';

/**
 * A clock that goes so many times faster than the machine's, from `start` on (epoch milliseconds), with which the timers
 * of this process agree during each test. Node's own, as those of sockets, are left alone.
 */
export function useHurriedTimers(factor: number, start: number): () => number {
  const original = globalThis.setTimeout;
  const begun = performance.now();
  beforeEach(() => {
    const hurried = (callback: () => void, ms = 0) => original(callback, ms / factor);
    globalThis.setTimeout = Object.assign(hurried, original);
  });
  afterEach(() => {
    globalThis.setTimeout = original;
  });
  return () => Math.floor(start + (performance.now() - begun) * factor);
}
