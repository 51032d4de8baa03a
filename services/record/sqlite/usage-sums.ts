import type { SessionId } from '../../../protocol/scalars.js';
import type { UserId } from '../../ports/records.js';
import { insertInto, rowCheckOf, SUMMED_COLUMNS, summedValues } from './row-sums.js';
import type { SqliteDatabase } from './sqlite-database.js';

export interface Amounts {
  /** Those that count: see `tokensOf`. */
  tokens: number;
  dollars: number;
}

interface UsedRow {
  user_id: string;
  day: string;
  session_id: string;
  input: number;
  output: number;
  cache_write: number;
  cost: number;
}

/** What was used on a day by purged sessions of a person, and outside any session. */
interface OtherRow extends Amounts {
  user_id: string;
  day: string;
}

interface Used {
  userId: UserId;
  /** Empty: of all the person's, those that were purged included. */
  sessionId: SessionId | '';
  /** Days, both included. */
  from: string;
  to: string;
}

/** Sums the rows of some days. Each is checked. */
export function prepareUsageSums(database: SqliteDatabase): (used: Used) => Amounts {
  const check = rowCheckOf(database);
  const ofPerson = database.prepare<[object], UsedRow>(
    'SELECT * FROM usage WHERE user_id = @userId AND day >= @from AND day <= @to',
  );
  const ofSession = database.prepare<[object], UsedRow>(
    `SELECT * FROM usage INDEXED BY usage_by_session
     WHERE session_id = @sessionId AND user_id = @userId AND day >= @from AND day <= @to`,
  );
  const other = database.prepare<[object], OtherRow>(
    'SELECT * FROM other_usage WHERE user_id = @userId AND day >= @from AND day <= @to',
  );
  return (used) => {
    const sum = { tokens: 0, dollars: 0 };
    const rows = used.sessionId === '' ? ofPerson : ofSession;
    for (const row of rows.iterate(used)) add(sum, amountsOf(check('usage', row)));
    if (used.sessionId === '') for (const row of other.iterate(used)) add(sum, check('other_usage', row));
    return sum;
  };
}

/** Adds to what a person has used outside the sessions that are there. */
export function prepareOtherUsage(
  database: SqliteDatabase,
): (of: { userId: string; day: string }, amounts: Amounts) => void {
  const check = rowCheckOf(database);
  const find = database.prepare<[string, string], OtherRow>('SELECT * FROM other_usage WHERE user_id = ? AND day = ?');
  const columns = [...SUMMED_COLUMNS.other_usage, 'sum'].map((column) => `${column} = excluded.${column}`);
  const write = database.prepare(`${insertInto('other_usage')} ON CONFLICT DO UPDATE SET ${columns.join(', ')}`);
  return ({ userId, day }, amounts) => {
    const before = find.get(userId, day);
    const sum = { tokens: before?.tokens ?? 0, dollars: before?.dollars ?? 0 };
    if (before) check('other_usage', before);
    add(sum, amounts);
    write.run(summedValues('other_usage', { user_id: userId, day, ...sum }));
  };
}

/** Keeps what a session has used for its person's budgets, within the transaction that removes the session. */
export function prepareGoneUsage(database: SqliteDatabase): (sessionId: SessionId) => void {
  const check = rowCheckOf(database);
  const used = database.prepare<[string], UsedRow>(
    'SELECT * FROM usage INDEXED BY usage_by_session WHERE session_id = ?',
  );
  const addOther = prepareOtherUsage(database);
  return (sessionId) => {
    for (const row of used.all(sessionId)) {
      addOther({ userId: row.user_id, day: row.day }, amountsOf(check('usage', row)));
    }
  };
}

const amountsOf = ({ input, output, cache_write, cost }: UsedRow): Amounts => ({
  tokens: input + output + cache_write,
  dollars: cost,
});

function add(sum: Amounts, { tokens, dollars }: Amounts): void {
  sum.tokens += tokens;
  sum.dollars += dollars;
}
