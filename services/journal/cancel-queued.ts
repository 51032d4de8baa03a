import { withSum } from './row-sums.js';
import type { PromptRow } from './rows.js';
import type { SqliteDatabase } from './sqlite-database.js';

/**
 * Ends the prompts queued in a journal that lost its last commits: they may already have run. Having to resend a prompt
 * is better than running it twice. Returns the number of prompts ended.
 */
export function cancelQueued(database: SqliteDatabase, now: number): number {
  const queued = database.prepare<[], string>(`SELECT prompt_id FROM prompts WHERE state = 'queued'`).pluck().all();
  // One row at a time: rows written by an older version contain their attachments.
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
