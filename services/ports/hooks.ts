import type { UserId } from './records.js';
import type { Automatic } from './schedules.js';

/** An address at which other programs have a prompt sent. Times are epoch milliseconds. */
export interface HookRecord extends Automatic {
  hookId: string;
  name?: string | undefined;
  template: string;
  signature?: 'github' | undefined;
  /** While it is off, deliveries are refused. */
  disabled?: true | undefined;
  /** How often its secret was replaced. */
  rotations?: number | undefined;
  /** Of its secret. */
  digest: string;
  lastUsedAt?: number | undefined;
}

/** Every method throws `STORAGE_FULL` when the disk is full. */
export interface HookStore {
  readAll(): HookRecord[];
  write(hook: HookRecord): void;
  remove(hookId: string): void;
  forgetPerson(userId: UserId): void;
}
