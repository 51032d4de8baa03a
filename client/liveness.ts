/** Silence before a probe, and the time for its answer, in heartbeats. */
const PROBE_AFTER = 1.5;
const GIVE_UP_AFTER = 1;

interface LivenessOptions {
  /** Nothing arrived for longer than a heartbeat: send a probe. */
  onSilent: () => void;
  /** Nothing arrived after that either. */
  onDead: () => void;
}

/**
 * Detects a silent connection. The operating system takes many minutes to report a peer that vanished without a close
 * (a sleeping laptop, a changed network).
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

  /** Reports the connection dead when neither this nor `watch` is called again within this many milliseconds. */
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

  /** One timer, re-evaluated when it fires: resetting it for every frame would cost more than the frame. */
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
