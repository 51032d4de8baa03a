import type { UserId } from '../../ports/records.js';
import type { RunRecord, ScheduleRecord, ScheduleStore } from '../../ports/schedules.js';
import { DamageGuard } from '../damage/damage-guard.js';
import { insertInto, rowCheckOf, summedValues, withSum } from './row-sums.js';
import type { SqliteDatabase } from './sqlite-database.js';

interface ScheduleRow {
  schedule_id: string;
  user_id: string;
  /** JSON. */
  record: string;
}

interface RunRow {
  schedule_id: string;
  due_at: number;
  user_id: string;
  state: string;
  /** JSON. */
  record: string;
}

/** Of one schedule. */
const KEPT_RUNS = 200;

/** Schedules and their runs in the journal's database. */
export function createSqliteSchedules(database: SqliteDatabase, guard = new DamageGuard(() => {})): ScheduleStore {
  const check = rowCheckOf(database);
  const all = database.prepare<[], ScheduleRow>('SELECT * FROM schedules ORDER BY rowid');
  const due = database.prepare<[], RunRow>(`SELECT * FROM schedule_runs WHERE state = 'due' ORDER BY due_at`);
  const last = database.prepare<[string], RunRow>(
    'SELECT * FROM schedule_runs WHERE schedule_id = ? ORDER BY due_at DESC LIMIT 1',
  );
  const ofSchedule = database.prepare<[string], RunRow>(
    'SELECT * FROM schedule_runs WHERE schedule_id = ? ORDER BY due_at DESC',
  );
  const runsIn = (rows: RunRow[]) => rows.map((row) => runOf(check('schedule_runs', row)));
  const { write, claim, writeRun, remove, forget } = prepareWrites(database);
  return {
    readAll: () => guard.run(() => all.all().map((row) => scheduleOf(check('schedules', row)))),
    write: (schedule) => guard.write(() => void write.run(summedValues('schedules', scheduleRow(schedule)))),
    remove: (scheduleId) => guard.write(() => remove(scheduleId)),
    forgetPerson: (userId) => guard.write(() => forget(userId)),
    claim: (schedule, runs) => guard.write(() => claim(schedule, runs)),
    writeRun: (run) => guard.write(() => void writeRun.run(withSum('schedule_runs', runRow(run)))),
    readDue: () => guard.run(() => runsIn(due.all())),
    lastRun: (scheduleId) => guard.run(() => runsIn(last.all(scheduleId))[0]),
    listRuns: (scheduleId) => guard.run(() => runsIn(ofSchedule.all(scheduleId))),
  };
}

function prepareWrites(database: SqliteDatabase) {
  const write = database.prepare(
    `${insertInto('schedules')} ON CONFLICT (schedule_id) DO UPDATE SET record = excluded.record, sum = excluded.sum`,
  );
  const take = database.prepare(`${insertInto('schedule_runs')} ON CONFLICT DO NOTHING`);
  const prune = database.prepare<[string, string]>(
    `DELETE FROM schedule_runs WHERE schedule_id = ? AND state <> 'due' AND due_at < (
       SELECT due_at FROM schedule_runs WHERE schedule_id = ? ORDER BY due_at DESC LIMIT 1 OFFSET ${KEPT_RUNS - 1})`,
  );
  const removals = ['schedules', 'schedule_runs'].map((table) => ({
    one: database.prepare<[string]>(`DELETE FROM ${table} WHERE schedule_id = ?`),
    ofPerson: database.prepare<[string]>(`DELETE FROM ${table} WHERE user_id = ?`),
  }));
  return {
    write,
    writeRun: database.prepare(
      `UPDATE schedule_runs SET state = @state, record = @record, sum = @sum
       WHERE schedule_id = @schedule_id AND due_at = @due_at`,
    ),
    claim: database.transaction((schedule: ScheduleRecord, runs: readonly RunRecord[]) => {
      write.run(summedValues('schedules', scheduleRow(schedule)));
      const taken = runs.filter((run) => take.run(summedValues('schedule_runs', runRow(run))).changes > 0);
      prune.run(schedule.scheduleId, schedule.scheduleId);
      return taken;
    }),
    remove: database.transaction((scheduleId: string) => {
      for (const { one } of removals) one.run(scheduleId);
    }),
    forget: database.transaction((userId: UserId) => {
      for (const { ofPerson } of removals) ofPerson.run(userId);
    }),
  };
}

const scheduleRow = (schedule: ScheduleRecord): ScheduleRow => ({
  schedule_id: schedule.scheduleId,
  user_id: schedule.userId,
  record: JSON.stringify(schedule),
});

const runRow = (run: RunRecord): RunRow => ({
  schedule_id: run.scheduleId,
  due_at: run.dueAt,
  user_id: run.userId,
  state: run.state,
  record: JSON.stringify(run),
});

const scheduleOf = ({ record }: ScheduleRow): ScheduleRecord => JSON.parse(record) as ScheduleRecord;
const runOf = ({ record }: RunRow): RunRecord => JSON.parse(record) as RunRecord;
