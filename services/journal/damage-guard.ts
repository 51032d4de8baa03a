import { JournalDamaged } from './journal-damaged.js';
import { damageError, storageError } from './sqlite-database.js';

/** Every use of the database passes through it. From the first sign of damage on nothing is read or written any more. */
export class DamageGuard {
  readonly #onDamage: (damage: JournalDamaged) => void;
  #damage: JournalDamaged | undefined;

  /** `onDamage` is called once, before the call that found the damage is rejected. */
  constructor(onDamage: (damage: JournalDamaged) => void) {
    this.#onDamage = onDamage;
  }

  get isDamaged(): boolean {
    return this.#damage !== undefined;
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
