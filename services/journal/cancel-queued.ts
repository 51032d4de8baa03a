import { withSum } from './row-sums.js';
import type { PromptRow } from './rows.js';
import type { SqliteDatabase } from './sqlite-database.js';

/**
 * Ends the prompts that wait in a journal that has lost its last commits: they may have run since. Rather a prompt that
 * the person has to send again than one that runs twice. Returns how many there were.
 */
export function cancelQueued(database: SqliteDatabase, now: number): number {
  const queued = database.prepare<[], PromptRow>(`SELECT * FROM prompts WHERE state = 'queued'`).all();
  const write = database.prepare(
    `UPDATE prompts SET state = @state, attachments = NULL, ended_at = @ended_at, sum = @sum WHERE prompt_id = @prompt_id`,
  );
  database.transaction(() => {
    for (const row of queued) {
      write.run(withSum('prompts', { ...row, state: 'cancelled', attachments: null, ended_at: now }));
    }
  })();
  return queued.length;
}
