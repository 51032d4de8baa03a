import type { ClaudeChild } from '../ports/claude.js';

/** Times are counted in our own checks, not by a clock: a machine that slept must not make a child seem silent. */
export interface Silence {
  /** Time since the child's last line, in milliseconds. */
  silentMs: number;
  /** How long it has not reacted to a probe, in milliseconds; undefined while it reacts. */
  deafMs: number | undefined;
  /** It is in the middle of an API message. */
  isStreaming: boolean;
}

export interface TurnWatchOptions {
  /** Whether a turn runs and does not wait for a person. */
  isWorking: () => boolean;
  /** Called once a minute while the child is silent; can reject. */
  onSilence: (silence: Silence) => Promise<void>;
}

const LOOK_MS = 1000;
const TELL_EVERY_LOOKS = 60;

/** Distinguishes a hanging child from a working one while it is silent. */
export class TurnWatch {
  readonly #options: TurnWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #looks = 0;
  #deafSince: number | undefined;

  constructor(options: TurnWatchOptions) {
    this.#options = options;
  }

  /** Must be called after every step: nothing is counted while no turn runs. */
  update(child: ClaudeChild | undefined): void {
    if (!child || !this.#options.isWorking()) this.close();
    else this.#timer ??= setInterval(() => void this.#look(child), LOOK_MS).unref();
  }

  /** The child has written output. */
  heard(): void {
    this.#looks = 0;
    this.#deafSince = undefined;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.heard();
  }

  async #look(child: ClaudeChild): Promise<void> {
    this.#looks += 1;
    if (this.#looks % TELL_EVERY_LOOKS !== 0) return;
    const asked = this.#looks;
    const reacts = await child.reacts();
    if (!this.#timer || this.#looks < asked) return;
    this.#deafSince = reacts ? undefined : (this.#deafSince ?? asked);
    const isStreaming = child.openBlocks().some(({ parentToolUseId }) => parentToolUseId === undefined);
    const deafMs = this.#deafSince === undefined ? undefined : (asked - this.#deafSince) * LOOK_MS;
    // A step that cannot be written is decided again at the next check.
    await this.#options.onSilence({ silentMs: asked * LOOK_MS, deafMs, isStreaming }).catch(() => {});
  }
}
