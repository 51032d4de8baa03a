/**
 * How much of a proof is tried. `npm test`: a fast cut. `FAULTS=full`, as in `npm run test:faults`: all, which takes hours.
 * With `FAULTS_SHARD=3/10` as well, a tenth of the full counts, and another cut of each list than in the other nine.
 */
const { FAULTS, FAULTS_SHARD = '1/1' } = process.env;
const [shard = 1, shards = 1] = FAULTS_SHARD.split('/').map(Number);
const isFull = FAULTS === 'full';

/** Where less is tried in full, as with a clock that is hurried less, a shard takes the fast cut. */
export const countOf = ({ full, fast }: { full: number; fast: number }): number => {
  if (!isFull) return fast;
  if (shards === 1) return full;
  return Math.max(fast, Math.ceil(full / shards));
};

/** One in so many of a list; in full all of them. */
export const cutOf = <Item>(items: readonly Item[], every: number): Item[] =>
  isFull && shards === 1 ? [...items] : items.filter((_, index) => index % every === (shard - 1) % every);
