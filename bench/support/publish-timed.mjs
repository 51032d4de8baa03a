import { setTimeout } from 'node:timers/promises';
import { now, STAMP_CHARACTERS, stamp } from './stamp.mjs';

/** Publishes texts that begin with the time at which they are, at a fixed rate. */
export async function publishTimed({ count, bytes, perSecond }, publish) {
  const rest = '.'.repeat(bytes - STAMP_CHARACTERS);
  const startedAt = now();
  for (let sent = 0; sent < count; sent += 1) {
    const left = startedAt + (sent * 1000) / perSecond - now();
    if (left > 0) await setTimeout(left);
    publish(stamp() + rest);
  }
}
