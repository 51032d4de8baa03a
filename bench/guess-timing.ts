/** Whether the time that a wrong token takes tells how much of it was right. */
import { digestOf, hasDigest, newSecret } from '../services/identity/secrets.js';
import type { Bench } from './support/bench.js';
import { now } from './support/clock.js';
import { digits, distributionOf } from './support/distribution.js';

const LENGTH = 32;
const AT_ONCE = 100;
/** Of the medians. Two rounds of the same guess differ by as much. */
const MOST_APART = 0.02;
const NS_PER_MS = 1e6;

export const guessTiming: Bench = {
  name: 'guess-timing',
  run: async ({ quick }) => {
    const secret = newSecret().slice(0, LENGTH);
    const digest = digestOf(secret);
    const guesses = { far: `~${secret.slice(1)}`, near: `${secret.slice(0, -1)}~` };
    const taken: Record<keyof typeof guesses, number[]> = { far: [], near: [] };
    const measure = (which: keyof typeof guesses) => {
      const guess = guesses[which];
      const began = now();
      for (let done = 0; done < AT_ONCE; done += 1) hasDigest(guess, digest);
      taken[which].push(((now() - began) * NS_PER_MS) / AT_ONCE);
    };
    // One after the other, so that both have the machine in the same moods; whichever is first takes turns.
    for (let round = 0; round < (quick ? 500 : 10_000); round += 1) {
      const isEven = round % 2 === 0;
      measure(isEven ? 'far' : 'near');
      measure(isEven ? 'near' : 'far');
    }
    const [far, near] = [distributionOf(taken.far).p50, distributionOf(taken.near).p50];
    return [
      {
        figure: `wrong token, ${LENGTH - 1} of ${LENGTH} characters right from the first on`,
        goal: `within ${MOST_APART * 100} %`,
        measured: `${digits(near)} ns`,
        reference: `wrong from the first: ${digits(far)} ns`,
        ratio: near / far,
        goalRatio: 1 + MOST_APART,
        met: Math.abs(near / far - 1) < MOST_APART,
      },
    ];
  },
};
