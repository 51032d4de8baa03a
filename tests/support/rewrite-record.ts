import { join } from 'node:path';
import type { SessionRecord } from '../../services/ports/records.js';
import { withSum } from '../../services/record/sqlite/row-sums.js';
import { openDatabase } from '../../services/record/sqlite/schema.js';

/** Changes the record of a session in the journal of a daemon that does not run. */
export function rewriteRecord(home: string, sessionId: string, change: (record: SessionRecord) => SessionRecord): void {
  const database = openDatabase(join(home, 'journal.db'));
  const row = database.prepare('SELECT * FROM sessions WHERE session_id = ?').get(sessionId) as { record: string };
  const record = JSON.stringify(change(JSON.parse(row.record) as SessionRecord));
  const summed = withSum('sessions', { ...row, record });
  const write = database.prepare('UPDATE sessions SET record = ?, sum = ? WHERE session_id = ?');
  write.run(summed.record, summed.sum, sessionId);
  database.close();
}
