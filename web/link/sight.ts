/** Whether a person sees any tab of this browser: all of them are one device to the daemon. */

export const isSeen = (): boolean => document.visibilityState === 'visible';

interface SightOptions {
  /** This tab is looked at. */
  onSeen: () => void;
  /** No tab is looked at. */
  onUnseen: () => void;
}

const LOCK = 'companion-sight';

/** Tabs that are looked at share a lock: who gets it alone knows that there are none, also where one has crashed. */
export class Sight {
  readonly #options: SightOptions;
  #release: (() => void) | undefined;
  #isWaiting = false;

  constructor(options: SightOptions) {
    this.#options = options;
    if (isSeen()) this.#share();
  }

  changed(): void {
    if (isSeen()) this.#share();
    else this.#unseen();
  }

  /** The daemon takes a new connection for one that is looked at; this one can be another tab's. */
  connected(): void {
    if (isSeen()) this.#options.onSeen();
    else this.#unseen();
  }

  close(): void {
    this.#release?.();
    this.#release = undefined;
  }

  #share(): void {
    this.#options.onSeen();
    if (!('locks' in navigator) || this.#release) return;
    const held = new Promise<void>((resolve) => {
      this.#release = resolve;
    });
    void navigator.locks.request(LOCK, { mode: 'shared' }, () => {
      // A tab that was hidden meanwhile has reported that no tab is visible.
      if (isSeen()) this.#options.onSeen();
      return held;
    });
  }

  #unseen(): void {
    this.close();
    if (!('locks' in navigator)) this.#options.onUnseen();
    else if (!this.#isWaiting) void this.#untilUnseen();
  }

  async #untilUnseen(): Promise<void> {
    this.#isWaiting = true;
    await navigator.locks.request(LOCK, () => {
      if (!isSeen()) this.#options.onUnseen();
    });
    this.#isWaiting = false;
  }
}
