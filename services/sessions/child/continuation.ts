import { continueAfterReset } from '../machine/decide-command.js';
import { continuesAt, isBusy } from '../machine/session-state.js';
import { newContinuation } from '../new-prompt.js';
import type { SessionCore } from '../session-core.js';

/** How long after the reset: the clocks of the API and of this machine differ a little. In milliseconds. */
const AFTER_RESET_MS = 5000;
/** The wall clock can be set, and a machine sleep, at any time. */
const LOOK_MS = 1000;

export interface ContinuationOptions {
  core: SessionCore;
  /** Wall clock in epoch milliseconds. */
  now: () => number;
}

/**
 * Continues a session when the limit resets that it waits for. The reset has come when the wall clock says so, or when
 * as much time has passed as was left at first: a clock that is set back does not delay it. Has no timer while nothing
 * waits.
 */
export class Continuation {
  readonly #options: ContinuationOptions;
  #timer: NodeJS.Timeout | undefined;
  /** The awaited reset, and when it comes by `performance.now()`. */
  #awaited: { resetsAt: number; dueAt: number } | undefined;

  constructor(options: ContinuationOptions) {
    this.#options = options;
  }

  /** Must be called after every step. */
  update(): void {
    const resetsAt = continuesAt(this.#options.core.state);
    if (resetsAt === undefined) this.close();
    else if (this.#awaited?.resetsAt !== resetsAt) this.#await(resetsAt);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#awaited = undefined;
  }

  #await(resetsAt: number): void {
    this.#awaited = { resetsAt, dueAt: performance.now() + resetsAt - this.#options.now() };
    this.#timer ??= setInterval(() => void this.#look(), LOOK_MS).unref();
  }

  async #look(): Promise<void> {
    const { core, now } = this.#options;
    if (!this.#awaited || isBusy(core.state)) return;
    const { resetsAt, dueAt } = this.#awaited;
    if (now() < resetsAt + AFTER_RESET_MS && performance.now() < dueAt + AFTER_RESET_MS) return;
    const noLook = async () => {};
    await core
      .takeAfterLook(noLook, (state, _, at) => continueAfterReset(state, newContinuation(state.record, at), at))
      .catch((error: Error) => {
        const { log, sessionId } = core;
        log.warn('the session cannot be continued; it is tried again', { sessionId, error: error.message });
      });
  }
}
