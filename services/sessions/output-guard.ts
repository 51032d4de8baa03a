import type { ClaudeChild } from '../ports/claude.js';

export interface OutputGuardOptions {
  /** Whether a turn runs and does not wait for a person: a child that says nothing has nothing to lose. */
  isWorking: () => boolean;
  /** What the child said could not all be kept. Called each second until the turn has ended; may reject. */
  onLost: () => Promise<void>;
}

const LOOK_MS = 1000;

/** Looks after the output of a child that works: the CLI goes on when its disk is full, and says nothing of it. */
export class OutputGuard {
  readonly #options: OutputGuardOptions;
  #timer: NodeJS.Timeout | undefined;
  #looking = false;

  constructor(options: OutputGuardOptions) {
    this.#options = options;
  }

  /** To be called after every step: while no turn runs nothing is looked at. */
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
      // It could not be written down: the next look tries again.
    } finally {
      this.#looking = false;
    }
  }
}
