import { isStorageError } from '../../../protocol/failures.js';
import { sayStorageFull } from '../machine/dispatch.js';
import type { Decide, SessionCore } from '../session-core.js';

const RETRY_MS = 1000;

/** Steps that no caller would repeat: they are retried until written, or until the session is released. */
export class PersistentSteps {
  readonly #core: SessionCore;
  readonly #timers = new Set<NodeJS.Timeout>();
  #closed = false;

  constructor(core: SessionCore) {
    this.#core = core;
  }

  /** Rejects when it cannot be written; connected clients are told why. */
  async takeOrTell(decide: Decide): Promise<void> {
    try {
      await this.#core.take(decide);
    } catch (error) {
      if (isStorageError(error)) await this.#core.take(sayStorageFull);
      throw error;
    }
  }

  /** Retries while the disk is full, and then calls `onWaiting`. */
  async take(decide: Decide, onWaiting: () => void = () => {}): Promise<void> {
    try {
      await this.takeOrTell(decide);
    } catch (error) {
      if (!isStorageError(error)) throw error;
      onWaiting();
      await new Promise<void>((resolve) => this.tryAgain('record a step', { error, action: resolve }));
      await this.take(decide, onWaiting);
    }
  }

  /** Runs an action and logs its failure. */
  attempt(what: string, action: () => unknown): void {
    new Promise((resolve) => {
      resolve(action());
    }).catch((error: unknown) => this.tellFailed(what, error));
  }

  /** Logs a failure that is not retried. */
  tellFailed(what: string, error: unknown): void {
    const { log, sessionId } = this.#core;
    log.warn(`the session cannot ${what}`, { sessionId, error: (error as Error).message });
  }

  /** Retries a failed action after a delay. */
  tryAgain(what: string, failed: { error: unknown; action: () => unknown; afterMs?: number }): void {
    const { error, action, afterMs = RETRY_MS } = failed;
    this.tellFailed(what, error);
    this.later(what, { afterMs, action });
  }

  /** Runs at once when `afterMs` is 0. */
  later(what: string, { afterMs, action }: { afterMs: number; action: () => unknown }): void {
    if (this.#closed) return;
    if (afterMs === 0) {
      this.attempt(what, action);
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.attempt(what, action);
    }, afterMs);
    this.#timers.add(timer);
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }
}
