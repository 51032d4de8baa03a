import { monitorEventLoopDelay } from 'node:perf_hooks';

/** A block of the loop for this long is seen surely; each look wakes the process. In milliseconds. */
const LOOK_MS = 100;
/** How often it is seen whether the loop is busy at all: while it is not, nothing else wakes the process. */
const IDLE_LOOK_MS = 1000;
const NANO_MS = 1e-6;
const SECOND_MS = 1000;

/**
 * The longest block of the event loop. The loop is watched while it is busy. While it is not, the time for which it was
 * busy bounds every block: less than what is surely seen is none, and the first busy second counts with all of it.
 */
export class LoopLag {
  readonly #monitor = monitorEventLoopDelay({ resolution: LOOK_MS });
  readonly #timer = setInterval(() => this.#look(), IDLE_LOOK_MS).unref();
  #isWatched = false;
  /** Since the last read, in milliseconds. */
  #longest = 0;
  #before = performance.eventLoopUtilization();

  /** Seconds, since the last read. */
  read(): number {
    this.#look();
    this.#takeWatched();
    const seconds = this.#longest / SECOND_MS;
    this.#longest = 0;
    return seconds;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#monitor.disable();
  }

  #look(): void {
    const now = performance.eventLoopUtilization();
    const { active } = performance.eventLoopUtilization(now, this.#before);
    this.#before = now;
    if (!this.#isWatched) this.#take(active);
    const isBusy = active >= LOOK_MS;
    if (isBusy === this.#isWatched) return;
    this.#isWatched = isBusy;
    if (isBusy) this.#monitor.enable();
    else {
      this.#takeWatched();
      this.#monitor.disable();
    }
  }

  #takeWatched(): void {
    this.#take(this.#monitor.max * NANO_MS);
    this.#monitor.reset();
  }

  /** A look that comes as late as its period shows no delay. */
  #take(ms: number): void {
    this.#longest = Math.max(this.#longest, ms - LOOK_MS);
  }
}
