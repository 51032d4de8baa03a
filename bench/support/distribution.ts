/** What is left of many measured times. */
export interface Distribution {
  count: number;
  p50: number;
  p99: number;
}

export function distributionOf(values: readonly number[]): Distribution {
  if (values.length === 0) throw new Error('nothing was measured');
  const sorted = [...values].sort((a, b) => a - b);
  return { count: sorted.length, p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) };
}

/** The nearest rank: a value that was really measured. */
const quantile = (sorted: number[], share: number): number =>
  sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;

/** `p50 / p99 ms (count)`. */
export const inMs = ({ p50, p99, count }: Distribution): string => `${digits(p50)} / ${digits(p99)} ms (${count})`;

/** Three digits that matter, and no more than are there. */
export function digits(value: number): string {
  const size = Math.abs(value);
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  return value.toFixed(size >= 1 ? 2 : 3);
}
