/** Prompts that are sent at a time. Times are epoch milliseconds. */
import type { Scope } from '../../protocol/access.js';
import type { ErrorCode } from '../../protocol/error-codes.js';
import type { PromptId, SessionId } from '../../protocol/scalars.js';
import type { RunState } from '../../protocol/schedules.js';
import type { UserId } from './records.js';

/** The session, or the directory of the session. */
export type Target = { sessionId: SessionId } | { workingDirectory: string };

/** What a person has the daemon send, with the scopes that the person had then. */
export interface Automatic {
  userId: UserId;
  target: Target;
  scopes: readonly Scope[];
  /** The device or key that made it. */
  createdBy: string;
  createdAt: number;
}

export interface ScheduleRecord extends Automatic {
  scheduleId: string;
  updatedAt: number;
  name?: string | undefined;
  prompt: string;
  /** One time; otherwise `cron` in `timeZone`. */
  at?: number | undefined;
  cron?: string | undefined;
  timeZone?: string | undefined;
  missed: 'skip' | 'once';
  enabled: boolean;
  /** The next due time; undefined when nothing is to come. */
  nextAt?: number | undefined;
  /** The last due time that was claimed. */
  lastDueAt?: number | undefined;
}

export interface RunRecord {
  runId: string;
  scheduleId: string;
  userId: UserId;
  /** Of each due time of a schedule there is one run. */
  dueAt: number;
  state: RunState;
  manual?: true | undefined;
  /** How many due times it stands for that were missed. */
  missed?: number | undefined;
  startedAt?: number | undefined;
  sessionId?: SessionId | undefined;
  promptId?: PromptId | undefined;
  error?: { code: ErrorCode; message: string } | undefined;
}

/** Every method throws `STORAGE_FULL` when the disk is full. */
export interface ScheduleStore {
  readAll(): ScheduleRecord[];
  write(schedule: ScheduleRecord): void;
  /** With its runs. */
  remove(scheduleId: string): void;
  forgetPerson(userId: UserId): void;
  /**
   * Records these runs, and what they make of the schedule, all or nothing. Returns those whose due time was not taken
   * before. Removes the oldest runs of the schedule beyond 200.
   */
  claim(schedule: ScheduleRecord, runs: readonly RunRecord[]): RunRecord[];
  /** Changes a run; one that was removed stays removed. */
  writeRun(run: RunRecord): void;
  /** Runs that were claimed, and of which it is not recorded what came of them. */
  readDue(): RunRecord[];
  /** The last one due. */
  lastRun(scheduleId: string): RunRecord | undefined;
  /** The last due first: at most about 200. */
  listRuns(scheduleId: string): RunRecord[];
}

export type NewSchedule = Omit<
  ScheduleRecord,
  'scheduleId' | 'enabled' | 'nextAt' | 'lastDueAt' | 'createdAt' | 'updatedAt'
>;
type Changeable = 'name' | 'prompt' | 'at' | 'cron' | 'timeZone' | 'missed' | 'enabled' | 'scopes';
/** What is undefined stays. */
export type ScheduleChange = { [Field in Changeable]?: ScheduleRecord[Field] | undefined };

/** The schedules of all people. */
export interface Schedules {
  list(userId: UserId): ScheduleRecord[];
  /** Throws `NOT_FOUND`. */
  require(userId: UserId, scheduleId: string): ScheduleRecord;
  /** Throws `INVALID_REQUEST` for a time that never comes, and `CONFLICT` when the person has too many. */
  add(schedule: NewSchedule): ScheduleRecord;
  /** Throws as `require` and `add` do. `guard` throws when the schedule is not as the client knows it. */
  change(schedule: ScheduleRecord, change: ScheduleChange): ScheduleRecord;
  remove(schedule: ScheduleRecord): void;
  /** Sends its prompt now. */
  runNow(schedule: ScheduleRecord): RunRecord;
  lastRun(scheduleId: string): RunRecord | undefined;
  /** The last due first. */
  listRuns(scheduleId: string): RunRecord[];
  /** Ends all of a person's. */
  forgetPerson(userId: UserId): void;
}
