/** Silence after which the daemon is asked for a sign of life, and the time it then has, in heartbeats. */
const PROBE_AFTER = 1.5;
const GIVE_UP_AFTER = 1;

interface LivenessOptions {
  /** Nothing was heard for longer than a heartbeat: ask for a sign of life. */
  onSilent: () => void;
  /** Nothing came after that either. */
  onDead: () => void;
}

/**
 * Notices that nothing comes any more. A connection whose other end has gone without a word (a sleeping laptop, a
 * changed network) is not told by the operating system for many minutes.
 */
export class Liveness {
  readonly #options: LivenessOptions;
  #timer: NodeJS.Timeout | undefined;
  #heartbeatMs = 0;
  #since = 0;
  #probed = false;

  constructor(options: LivenessOptions) {
    this.#options = options;
  }

  /** Gives up when this is not called again, or `watch`, within so many milliseconds. */
  expectWithin(ms: number): void {
    this.stop();
    this.#timer = setTimeout(this.#options.onDead, ms);
  }

  /** Watches for silence from now on. */
  watch(heartbeatMs: number): void {
    this.stop();
    this.#heartbeatMs = heartbeatMs;
    this.heard();
    this.#schedule();
  }

  heard(): void {
    this.#since = performance.now();
    this.#probed = false;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  get #leftMs(): number {
    const allowed = this.#heartbeatMs * (this.#probed ? GIVE_UP_AFTER : PROBE_AFTER);
    return this.#since + allowed - performance.now();
  }

  /** One timer, looked at again when it fires: setting it anew for every frame would cost more than the frame. */
  #schedule(): void {
    this.#timer = setTimeout(() => this.#check(), Math.max(1, this.#leftMs));
  }

  #check(): void {
    if (this.#leftMs <= 0) {
      if (this.#probed) {
        this.#options.onDead();
        return;
      }
      this.#probed = true;
      this.#since = performance.now();
      this.#options.onSilent();
    }
    if (this.#timer !== undefined) this.#schedule();
  }
}
