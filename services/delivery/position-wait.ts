export interface PositionWaitOptions {
  /** Asks the other side to confirm that it has what was sent before: `confirmed` is called then. */
  confirm: () => void;
  /** The device has spoken, or had the time to. */
  onOver: () => void;
}

/** How long a device may take to say how much text it has, once its welcome has arrived. */
const GRACE_MS = 250;

/**
 * A device that comes back is streamed to without asking, and may be in the middle of a long text. Before all of that is
 * sent again it gets the time to say so: until its welcome has arrived, and a moment more.
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

  /** A stream waits. */
  begin(): void {
    if (this.#state !== 'idle') return;
    this.#state = 'asked';
    this.#options.confirm();
  }

  /** What was sent before a `confirm` has arrived. */
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
