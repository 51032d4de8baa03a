import { isStorageError } from '../../protocol/storage-error.js';
import { JournalDamaged } from './journal-damaged.js';
import { damageError, storageError } from './sqlite-database.js';

/** Wraps every use of the database. After the first sign of damage it rejects all reads and writes. */
export class DamageGuard {
  readonly #onDamage: (damage: JournalDamaged) => void;
  #damage: JournalDamaged | undefined;
  #refusal: unknown;

  /** `onDamage` is called once, before the call that found the damage is rejected. */
  constructor(onDamage: (damage: JournalDamaged) => void) {
    this.#onDamage = onDamage;
  }

  get damage(): JournalDamaged | undefined {
    return this.#damage;
  }

  /** The error of the last write; undefined when it succeeded. */
  get refusal(): unknown {
    return this.#refusal;
  }

  /** Like `run`, for writes: the result of the last write counts as the state of the disk, whatever its free space. */
  write<T>(action: () => T): T {
    try {
      const result = this.run(action);
      this.#refusal = undefined;
      return result;
    } catch (error) {
      this.refused(error);
      throw error;
    }
  }

  /** Records a write that failed elsewhere, such as a sync. Only a refusal by the disk counts, not a constraint. */
  refused(error: unknown): void {
    if (isStorageError(error)) this.#refusal = error;
  }

  /** Throws `JournalDamaged`, or `CompanionError` `STORAGE_FULL` when the disk is full. */
  run<T>(action: () => T): T {
    if (this.#damage) throw this.#damage;
    try {
      return action();
    } catch (error) {
      const known = damageError(error);
      if (known instanceof JournalDamaged) {
        this.#damage = known;
        this.#onDamage(known);
      }
      throw storageError(known);
    }
  }
}
