export interface PositionWaitOptions {
  /** Asks the peer to confirm everything sent before, which calls `confirmed`. */
  confirm: () => void;
  /** The device has reported its position, or its time is up. */
  onOver: () => void;
}

/** Time for a device to report how much text it has, once its welcome has arrived. */
const GRACE_MS = 250;

/**
 * A returning device is streamed to without asking, and can be in the middle of a long text. Before all of that text is
 * sent again, the device gets time to report its position: until its welcome has arrived, plus a grace period.
 */
export class PositionWait {
  readonly #options: PositionWaitOptions;
  #state: 'idle' | 'asked' | 'arrived' | 'over' = 'idle';
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PositionWaitOptions) {
    this.#options = options;
  }

  get isOver(): boolean {
    return this.#state === 'over';
  }

  /** A stream is waiting. */
  begin(): void {
    if (this.#state !== 'idle') return;
    this.#state = 'asked';
    this.#options.confirm();
  }

  /** Everything sent before a `confirm` has arrived. */
  confirmed(): void {
    if (this.#state !== 'asked') return;
    this.#state = 'arrived';
    this.#timer = setTimeout(() => this.end(), GRACE_MS).unref();
  }

  end(): void {
    if (this.#state === 'over') return;
    this.close();
    this.#options.onOver();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#state = 'over';
  }
}
