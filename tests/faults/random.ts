export interface Random {
  /** From 0 up to, not including, `below`. */
  integer(below: number): number;
  /** Whether something happens that does with this probability. */
  chance(probability: number): boolean;
  pick<Item>(items: readonly [Item, ...Item[]]): Item;
  /** Another one that does not depend on how often this one is asked. */
  fork(): Random;
}

/** `FAULTS_SEED` repeats the choices of a run; its instants depend on the machine. */
export const chooseSeed = (): number => Number(process.env.FAULTS_SEED ?? Date.now() % 2 ** 31);

/** The same numbers for the same seed (mulberry32). */
export function createRandom(seed: number): Random {
  let state = seed | 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const integer = (below: number) => Math.floor(next() * below);
  return {
    integer,
    chance: (probability) => next() < probability,
    pick: (items) => items[integer(items.length)] ?? items[0],
    fork: () => createRandom(integer(2 ** 31)),
  };
}
