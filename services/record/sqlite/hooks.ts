import type { HookRecord, HookStore } from '../../ports/hooks.js';
import { DamageGuard } from '../damage/damage-guard.js';
import { insertInto, rowCheckOf, summedValues } from './row-sums.js';
import type { SqliteDatabase } from './sqlite-database.js';

interface HookRow {
  hook_id: string;
  user_id: string;
  /** JSON. */
  record: string;
}

/** Hooks in the journal's database. */
export function createSqliteHooks(database: SqliteDatabase, guard = new DamageGuard(() => {})): HookStore {
  const check = rowCheckOf(database);
  const all = database.prepare<[], HookRow>('SELECT * FROM hooks ORDER BY rowid');
  const write = database.prepare(
    `${insertInto('hooks')} ON CONFLICT (hook_id) DO UPDATE SET record = excluded.record, sum = excluded.sum`,
  );
  const remove = database.prepare<[string]>('DELETE FROM hooks WHERE hook_id = ?');
  const forget = database.prepare<[string]>('DELETE FROM hooks WHERE user_id = ?');
  return {
    readAll: () => guard.run(() => all.all().map((row) => JSON.parse(check('hooks', row).record) as HookRecord)),
    write: (hook) => {
      const row: HookRow = { hook_id: hook.hookId, user_id: hook.userId, record: JSON.stringify(hook) };
      guard.write(() => void write.run(summedValues('hooks', row)));
    },
    remove: (hookId) => guard.write(() => void remove.run(hookId)),
    forgetPerson: (userId) => guard.write(() => void forget.run(userId)),
  };
}
