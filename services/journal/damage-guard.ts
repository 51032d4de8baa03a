import { isStorageError } from '../../protocol/storage-error.js';
import { JournalDamaged } from './journal-damaged.js';
import { damageError, storageError } from './sqlite-database.js';

/** Every use of the database passes through it. From the first sign of damage on nothing is read or written any more. */
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

  /** Why the last write failed; undefined when it did not. */
  get refusal(): unknown {
    return this.#refusal;
  }

  /** As `run`, for what writes: how the last one went is how the disk does, whatever it says of its free space. */
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

  /** A write failed elsewhere: syncing what was written. Only what the disk refuses counts, and not a constraint. */
  refused(error: unknown): void {
    if (isStorageError(error)) this.#refusal = error;
  }

  /** Throws `JournalDamaged`, and `CompanionError` `STORAGE_FULL` where the disk takes no more. */
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
