import { setImmediate as turnOfOthers } from 'node:timers/promises';
import type { EventData } from '../../../protocol/events.js';
import type { SessionId } from '../../../protocol/scalars.js';
import { countOf, dayOf } from '../../model/budgets.js';
import type { EventRecord, SessionRecord, UserId } from '../../ports/records.js';
import type { UsageAmounts, UsageQuery, UsageRow, UsageStore } from '../../ports/usage.js';
import type { Sources } from './event-log.js';
import { insertInto, rowCheckOf, SUMMED_COLUMNS, summedValues } from './row-sums.js';
import type { SqliteDatabase } from './sqlite-database.js';

interface StoredRow {
  user_id: string;
  day: string;
  session_id: string;
  model: string;
  project: string;
  turns: number;
  input: number;
  output: number;
  cache_read: number;
  cache_write: number;
  cost: number;
}

/** Rows per read, so that other work does not wait long. */
const BATCH_ROWS = 500;
const FIRST_DAY = '';
const LAST_DAY = '~';

export function createUsageReader({ database, guard, check }: Sources): UsageStore {
  // Keys begin with the person, so a person's rows are read alone.
  const page = database.prepare<Record<string, unknown>, StoredRow>(
    `SELECT * FROM usage
     WHERE (user_id, day, session_id, model) > (@user_id, @day, @session_id, @model)
       AND (@person IS NULL OR user_id = @person) AND day >= @from AND day <= @to
     ORDER BY user_id, day, session_id, model LIMIT ${BATCH_ROWS}`,
  );
  const read = (after: Pick<StoredRow, 'user_id' | 'day' | 'session_id' | 'model'>, query: UsageQuery) =>
    page
      .all({
        ...after,
        person: query.userId ?? null,
        from: query.from ?? FIRST_DAY,
        to: query.to ?? LAST_DAY,
      })
      .map((row) => check('usage', row));
  return {
    readUsage: async function* (query) {
      let after = { user_id: query.userId ?? '', day: '', session_id: '', model: '' };
      for (;;) {
        const rows = guard.run(() => read(after, query));
        if (rows.length > 0) yield rows.map(usageOf);
        const last = rows.at(-1);
        if (!last || rows.length < BATCH_ROWS) return;
        after = { user_id: last.user_id, day: last.day, session_id: last.session_id, model: last.model };
        await turnOfOthers();
      }
    },
  };
}

/** Adds the ends of turns among the events of a commit, within its transaction. */
export function prepareUsage(
  database: SqliteDatabase,
): (record: SessionRecord, events: readonly EventRecord[]) => void {
  const check = rowCheckOf(database);
  const find = database.prepare<[string, string, string, string], StoredRow>(
    'SELECT * FROM usage WHERE user_id = ? AND day = ? AND session_id = ? AND model = ?',
  );
  const columns = [...SUMMED_COLUMNS.usage, 'sum'].map((column) => `${column} = excluded.${column}`);
  const write = database.prepare(`${insertInto('usage')} ON CONFLICT DO UPDATE SET ${columns.join(', ')}`);
  return (record, events) => {
    for (const event of events) {
      if (event.type !== 'streamComplete') continue;
      const amounts = amountsOf(JSON.parse(event.data) as EventData<'streamComplete'>);
      const { owner, sessionId, model = '', directory } = record;
      const day = dayOf(event.at);
      const before = find.get(owner, day, sessionId, model);
      const key = { user_id: owner, day, session_id: sessionId, model, project: directory };
      write.run(summedValues('usage', { ...key, ...sum(before && check('usage', before), amounts) }));
    }
  };
}

function amountsOf({ usage = {}, cost = 0 }: EventData<'streamComplete'>): UsageAmounts {
  return {
    turns: 1,
    input: countOf(usage.input_tokens),
    output: countOf(usage.output_tokens),
    cacheRead: countOf(usage.cache_read_input_tokens),
    cacheWrite: countOf(usage.cache_creation_input_tokens),
    cost,
  };
}

const sum = (before: StoredRow | undefined, { turns, input, output, cacheRead, cacheWrite, cost }: UsageAmounts) => ({
  turns: (before?.turns ?? 0) + turns,
  input: (before?.input ?? 0) + input,
  output: (before?.output ?? 0) + output,
  cache_read: (before?.cache_read ?? 0) + cacheRead,
  cache_write: (before?.cache_write ?? 0) + cacheWrite,
  cost: (before?.cost ?? 0) + cost,
});

const usageOf = (row: StoredRow): UsageRow => ({
  userId: row.user_id as UserId,
  day: row.day,
  sessionId: row.session_id as SessionId,
  model: row.model,
  project: row.project,
  turns: row.turns,
  input: row.input,
  output: row.output,
  cacheRead: row.cache_read,
  cacheWrite: row.cache_write,
  cost: row.cost,
});
