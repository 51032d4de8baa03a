import type { ClaudeChild } from '../../ports/claude.js';
import { onSilence, type Silence } from '../machine/decide-child.js';
import { onOutputLost } from '../machine/dispatch.js';
import { openPermissions } from '../machine/session-state.js';
import type { SessionCore } from '../session-core.js';
import type { PersistentSteps } from './persistent-steps.js';

const LOOK_MS = 1000;
const LOOKS_UNTIL_SILENT = 60;

/**
 * Checks a working child every second: whether it is silent, and then whether it hangs; and whether its output is
 * still stored, because the CLI continues when its disk is full.
 */
export class ChildWatch {
  readonly #core: SessionCore;
  readonly #steps: PersistentSteps;
  #timer: NodeJS.Timeout | undefined;
  #isChecking = false;
  #looks = 0;
  #deafSince: number | undefined;

  constructor(core: SessionCore, steps: PersistentSteps) {
    this.#core = core;
    this.#steps = steps;
  }

  /** A turn runs, and waits for no person: a child that waits is silent, and has no output to lose. */
  get #isWorking(): boolean {
    const { state } = this.#core;
    return state.turn !== null && openPermissions(state).length === 0;
  }

  /** Must be called after every step: nothing is checked while no turn runs. */
  update(child: ClaudeChild | undefined): void {
    if (!child || !this.#isWorking) this.close();
    else this.#timer ??= setInterval(() => this.#look(child), LOOK_MS).unref();
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

  #look(child: ClaudeChild): void {
    this.#looks += 1;
    if (this.#looks % LOOKS_UNTIL_SILENT === 0) void this.#lookForReaction(child);
    if (this.#isWorking) void this.#lookForLoss(child);
  }

  async #lookForReaction(child: ClaudeChild): Promise<void> {
    const asked = this.#looks;
    const reacts = await child.reacts();
    if (!this.#timer || this.#looks < asked) return;
    this.#deafSince = reacts ? undefined : (this.#deafSince ?? asked);
    const isStreaming = child.openBlocks().some(({ parentToolUseId }) => parentToolUseId === undefined);
    const deafMs = this.#deafSince === undefined ? undefined : (asked - this.#deafSince) * LOOK_MS;
    const silence: Silence = { silentMs: asked * LOOK_MS, deafMs, isStreaming };
    // A step that cannot be written is decided again at the next check.
    await this.#core.take((state, now) => onSilence(state, silence, now)).catch(() => {});
  }

  async #lookForLoss(child: ClaudeChild): Promise<void> {
    if (this.#isChecking) return;
    this.#isChecking = true;
    try {
      if ((await child.checkOutput()) === 'lost' && this.#timer) await this.#steps.takeOrTell(onOutputLost);
    } catch {
      // The loss could not be recorded: the next check retries.
    } finally {
      this.#isChecking = false;
    }
  }
}
