/** An API that notes when it writes each delta, for what is measured from there on. */
import type { Reply } from '../../demo/messages-api.js';
import { now, sleep } from './clock.js';

/** Of each delta; its first characters are its key. */
const CHARACTERS = 24;
const KEY_CHARACTERS = 8;
const MIN_PACE_MS = 4;
const PACE_SPREAD_MS = 8;

export interface StampedSource {
  /** Replies with so many deltas, 4 to 12 ms apart. */
  script: () => Reply;
  /** The time just before a delta was written, by its key; undefined for the first of a reply, which waits for the message around it. */
  writtenAt: (key: string) => number | undefined;
}

export function createStampedSource(deltas: number): StampedSource {
  const times = new Map<string, number>();
  let next = 0;
  const keyOf = (index: number) => String(index).padStart(KEY_CHARACTERS, '0');
  const script = (): Reply => {
    const first = next;
    next += deltas;
    let written = 0;
    const keys = Array.from({ length: deltas }, (_, index) => keyOf(first + index).padEnd(CHARACTERS, '.'));
    return {
      kind: 'message',
      blocks: [{ kind: 'text', text: keys.join(''), chunk: CHARACTERS }],
      // Called right after a delta was written: the next one goes out when this is done.
      onDelta: async () => {
        written += 1;
        if (written === deltas) return;
        await sleep(MIN_PACE_MS + Math.random() * PACE_SPREAD_MS);
        times.set(keyOf(first + written), now());
      },
    };
  };
  return { script, writtenAt: (key) => times.get(key) };
}

/** The keys of the deltas in a text that is made of whole ones. */
export function keysIn(text: string): string[] {
  const keys: string[] = [];
  for (let from = 0; from < text.length; from += CHARACTERS) keys.push(text.slice(from, from + KEY_CHARACTERS));
  return keys;
}
