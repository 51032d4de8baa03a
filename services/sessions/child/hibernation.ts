import { hibernate } from '../machine/decide-command.js';
import { isIdle } from '../machine/session-state.js';
import type { SessionCore } from '../session-core.js';
import type { ChildSlots } from './child-slots.js';
import type { CurrentChild } from './current-child.js';

export interface HibernationOptions {
  /** Idle time after which the child is ended, in milliseconds. */
  idleMs: number;
  core: SessionCore;
  current: CurrentChild;
  slots: ChildSlots;
}

/** Interval for checking again while processes of the child's tools still run. */
const LOOK_AGAIN_MS = 60_000;
/** Node's longest timer; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** A child with more output than this is ended as soon as it is idle. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** Ends the child of a session that has been idle for a while. */
export class Hibernation {
  readonly #options: HibernationOptions;
  #timer: NodeJS.Timeout | undefined;
  /** When it became idle, by `performance.now()`. */
  #idleSince: number | undefined;
  /** One early check was made because the child is outdated. */
  #hastened = false;

  constructor(options: HibernationOptions) {
    this.#options = options;
  }

  /** Idle time in milliseconds; undefined while busy. */
  get idleMs(): number | undefined {
    return this.#idleSince === undefined ? undefined : performance.now() - this.#idleSince;
  }

  /** Must be called after every step: continued idleness keeps its start time. */
  update(): void {
    if (!isIdle(this.#options.core.state)) this.close();
    else if (this.#idleSince === undefined) this.#begin();
    else if (this.#isOutdated && !this.#hastened) this.#lookIn(0);
  }

  /** The child has a grant that was revoked, or another context: the next one is started without it. */
  get #isOutdated(): boolean {
    const { takenBack, outdated = false } = this.#options.core.record;
    return takenBack !== undefined || outdated;
  }

  #begin(): void {
    const { idleMs, core, slots } = this.#options;
    this.#idleSince = performance.now();
    const isLarge = (core.record.child?.processed ?? 0) > MAX_OUTPUT_BYTES;
    this.#lookIn(isLarge || this.#isOutdated ? 0 : idleMs);
    slots.idle();
  }

  /** Ends the child if that interrupts nothing. Resolves to whether it ends. */
  async hibernate(): Promise<boolean> {
    const { core, current } = this.#options;
    const { held } = current;
    if (!held || !isIdle(core.state) || (await held.hasDescendants())) return false;
    // Decides again in its turn: the session can be busy by then.
    await core.take(hibernate);
    return core.state.child.phase === 'ending';
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
    // The next check retries a failure.
    const ends = await this.hibernate().catch(() => false);
    if (ends || since === undefined || this.#idleSince !== since) return;
    this.#lookIn(Math.min(this.#options.idleMs, LOOK_AGAIN_MS));
  }
}
