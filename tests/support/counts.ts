/** How often a proof is tried: `npm run test:faults` runs the full count, `npm test` a fast cut of it. */
export const countOf = ({ full, fast }: { full: number; fast: number }): number =>
  process.env.FAULTS === 'full' ? full : fast;
