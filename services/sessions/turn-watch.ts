import type { ClaudeChild } from '../ports/claude.js';

/** Times are counted in looks of ours, not by a clock: a machine that was asleep accuses nobody. */
export interface Silence {
  /** Since the last line of the child, in milliseconds. */
  silentMs: number;
  /** For how long it has not reacted to being asked, in milliseconds; undefined for one that does. */
  deafMs: number | undefined;
  /** It is in the middle of a message of the API. */
  isStreaming: boolean;
}

export interface TurnWatchOptions {
  /** Whether a turn runs and does not wait for a person. */
  isWorking: () => boolean;
  /** Called once a minute while the child says nothing; may reject. */
  onSilence: (silence: Silence) => Promise<void>;
}

const LOOK_MS = 1000;
const TELL_EVERY_LOOKS = 60;

/** Tells a child that hangs from one that works, while it says nothing. */
export class TurnWatch {
  readonly #options: TurnWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #looks = 0;
  #deafSince: number | undefined;

  constructor(options: TurnWatchOptions) {
    this.#options = options;
  }

  /** To be called after every step: while no turn runs nothing is counted. */
  update(child: ClaudeChild | undefined): void {
    if (!child || !this.#options.isWorking()) this.close();
    else this.#timer ??= setInterval(() => void this.#look(child), LOOK_MS).unref();
  }

  /** The child has said something. */
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
    // A step that cannot be written down is decided anew at the next look.
    await this.#options.onSilence({ silentMs: asked * LOOK_MS, deafMs, isStreaming }).catch(() => {});
  }
}
