import type { Decide } from './persistent-steps.js';

/** Tells a mistake in a decision from whatever else fails in its step, such as a full disk. */
export function watchFaults(decide: Decide): { decide: Decide; isFault: (error: unknown) => boolean } {
  const faults = new Set<unknown>();
  return {
    decide: (state, now) => {
      try {
        return decide(state, now);
      } catch (error) {
        faults.add(error);
        throw error;
      }
    },
    isFault: (error) => faults.has(error),
  };
}
