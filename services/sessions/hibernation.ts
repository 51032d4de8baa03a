import type { ClaudeChild } from '../ports/claude.js';
import { isIdle, type SessionState } from './session-state.js';

export interface HibernationOptions {
  /** After so many milliseconds in which there was nothing to do. */
  idleMs: number;
  state: () => SessionState;
  child: () => ClaudeChild | undefined;
  /** Ends the child if the session is still idle when its turn comes. */
  endIdle: () => Promise<void>;
  /** The session has just come to have nothing to do. */
  onIdle: () => void;
}

/** Where something that the child's tools have started still runs, when to look again. */
const LOOK_AGAIN_MS = 60_000;
/** The longest that a timer of Node takes; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** A child whose output has grown so large makes room for another as soon as it has nothing to do. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** Ends the child of a session that nobody has asked anything of for a while. */
export class Hibernation {
  readonly #options: HibernationOptions;
  #timer: NodeJS.Timeout | undefined;
  /** When it came to have nothing to do, by `performance.now()`. */
  #idleSince: number | undefined;
  /** It has been looked at once for what was taken back. */
  #hastened = false;

  constructor(options: HibernationOptions) {
    this.#options = options;
  }

  /** For how long there has been nothing to do, in milliseconds; undefined while there is. */
  get idleMs(): number | undefined {
    return this.#idleSince === undefined ? undefined : performance.now() - this.#idleSince;
  }

  /** To be called after every step: who stays idle keeps its time. */
  update(): void {
    const { state } = this.#options;
    if (!isIdle(state())) this.close();
    else if (this.#idleSince === undefined) this.#begin();
    else if (this.#isOutdated && !this.#hastened) this.#lookIn(0);
  }

  /** The child was granted what has been taken back: the next one is started without it. */
  get #isOutdated(): boolean {
    return this.#options.state().record.takenBack !== undefined;
  }

  #begin(): void {
    const { idleMs, state, onIdle } = this.#options;
    this.#idleSince = performance.now();
    const isLarge = (state().record.child?.processed ?? 0) > MAX_OUTPUT_BYTES;
    this.#lookIn(isLarge || this.#isOutdated ? 0 : idleMs);
    onIdle();
  }

  /** Ends the child if nothing would be cut short by that. Resolves to whether it ends. */
  async hibernate(): Promise<boolean> {
    const { state, child, endIdle } = this.#options;
    const held = child();
    if (!held || !isIdle(state()) || (await held.hasDescendants())) return false;
    await endIdle();
    return state().child.phase === 'ending';
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#idleSince = undefined;
    this.#hastened = false;
  }

  #lookIn(delayMs: number): void {
    clearTimeout(this.#timer);
    this.#hastened ||= this.#isOutdated;
    this.#timer = setTimeout(() => void this.#look(), Math.min(delayMs, MAX_TIMER_MS)).unref();
  }

  async #look(): Promise<void> {
    const since = this.#idleSince;
    // What failed is tried again with the next look.
    const ends = await this.hibernate().catch(() => false);
    if (ends || since === undefined || this.#idleSince !== since) return;
    this.#lookIn(Math.min(this.#options.idleMs, LOOK_AGAIN_MS));
  }
}
