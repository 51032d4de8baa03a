/** How long others wait for their turn while the journal of an older version gets its index of messages. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LONG_SESSION, openLongJournal, waitsDuring, writeLongJournal } from '../tests/record/support/long-journal.js';
import type { Bench } from './support/bench.js';
import { now } from './support/clock.js';

const MESSAGES = 100_000;
const MESSAGES_QUICK = 10_000;
const MOST_BLOCKED_MS = 5;

export const migration: Bench = {
  name: 'migration',
  run: async ({ quick }) => {
    const messages = quick ? MESSAGES_QUICK : MESSAGES;
    const folder = mkdtempSync(join(tmpdir(), 'companion-migration-'));
    try {
      const path = join(folder, 'journal.db');
      writeLongJournal(path, messages);
      const journal = openLongJournal(path);
      const waits = await waitsDuring(
        journal.readMessages({ sessionId: LONG_SESSION, limit: 2, offset: 0, backwards: true }),
        now,
      );
      await journal.close();
      const p99 = waits[Math.ceil(waits.length / 100)] ?? 0;
      return [
        {
          figure: `a journal of an older version, ${messages} messages: others wait for their turn (p99)`,
          goal: `< ${MOST_BLOCKED_MS} ms`,
          measured: `${p99.toFixed(2)} ms, worst ${(waits[0] ?? 0).toFixed(2)} ms of ${waits.length}`,
          reference: '',
          met: p99 < MOST_BLOCKED_MS,
        },
      ];
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};
