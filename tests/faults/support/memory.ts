import { readFileSync } from 'node:fs';

const PAGE_BYTES = 4096;

/** Memory that a process holds, in bytes. */
export const residentOf = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE_BYTES;

/**
 * How much more memory the last quarter of a run held than its second, in bytes: the first quarter warms up. The least
 * of each counts, for garbage that waits for its collector is no leak.
 */
export function growthOf(samples: readonly number[]): number {
  const quarter = Math.floor(samples.length / 4);
  if (quarter === 0) throw new Error('too few samples to compare quarters');
  return Math.min(...samples.slice(-quarter)) - Math.min(...samples.slice(quarter, 2 * quarter));
}
