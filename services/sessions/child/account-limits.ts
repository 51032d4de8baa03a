import type { ClaudeChild } from '../../ports/claude.js';
import { onUsageWindows } from '../machine/usage-limits.js';
import type { SessionCore } from '../session-core.js';

/** Time for a child to report the limits of its account, and for which they count as known, in milliseconds. */
const ANSWER_MS = 3000;
const KEPT_MS = 60_000;

/** How much of the account's limits is used, as the children of a session report it. */
export class AccountLimits {
  readonly #core: SessionCore;
  /** By `performance.now()`. */
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(core: SessionCore) {
    this.#core = core;
  }

  /** Asks the child, if none was asked within the last minute. */
  async refresh(child: ClaudeChild): Promise<void> {
    if (performance.now() < this.#askedAt + KEPT_MS) return;
    this.#askedAt = performance.now();
    const windows = await child.usageWindows(ANSWER_MS);
    if (windows) await this.#core.takeAfterLook(async () => windows, onUsageWindows);
  }
}
