import type { ClaudeChild } from '../ports/claude.js';

export interface OutputGuardOptions {
  /** Whether a turn runs and does not wait for a person: a silent child has no output to lose. */
  isWorking: () => boolean;
  /** Some output of the child could not be stored. Called every second until the turn has ended; can reject. */
  onLost: () => Promise<void>;
}

const LOOK_MS = 1000;

/** Monitors the output of a working child: the CLI continues silently when its disk is full. */
export class OutputGuard {
  readonly #options: OutputGuardOptions;
  #timer: NodeJS.Timeout | undefined;
  #looking = false;

  constructor(options: OutputGuardOptions) {
    this.#options = options;
  }

  /** Must be called after every step: nothing is checked while no turn runs. */
  update(child: ClaudeChild | undefined): void {
    if (!child || !this.#options.isWorking()) this.close();
    else this.#timer ??= setInterval(() => void this.#look(child), LOOK_MS).unref();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #look(child: ClaudeChild): Promise<void> {
    if (this.#looking || !this.#options.isWorking()) return;
    this.#looking = true;
    try {
      if ((await child.checkOutput()) === 'lost' && this.#timer) await this.#options.onLost();
    } catch {
      // The loss could not be recorded: the next check retries.
    } finally {
      this.#looking = false;
    }
  }
}
