import type { Decide } from './persistent-steps.js';

/** Distinguishes a bug in a decision from other failures of its step, such as a full disk. */
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
