import { withSum } from './row-sums.js';
import type { PromptRow } from './rows.js';
import type { SqliteDatabase } from './sqlite-database.js';

/**
 * Ends the prompts that wait in a journal that has lost its last commits: they may have run since. Rather a prompt that
 * the person has to send again than one that runs twice. Returns how many there were.
 */
export function cancelQueued(database: SqliteDatabase, now: number): number {
  const queued = database.prepare<[], string>(`SELECT prompt_id FROM prompts WHERE state = 'queued'`).pluck().all();
  // One at a time: a row of an older version holds its attachments.
  const read = database.prepare<[string], PromptRow>(`SELECT * FROM prompts WHERE prompt_id = ?`);
  const write = database.prepare(
    `UPDATE prompts SET state = @state, attachments = NULL, ended_at = @ended_at, sum = @sum WHERE prompt_id = @prompt_id`,
  );
  database.transaction(() => {
    for (const id of queued) {
      const row = read.get(id);
      if (row) write.run(withSum('prompts', { ...row, state: 'cancelled', attachments: null, ended_at: now }));
    }
  })();
  return queued.length;
}
