import { isCapacityError } from '../../protocol/capacity-error.js';
import type { ClaudeLauncher } from '../ports/claude.js';
import type { Log } from '../ports/log.js';
import type { SessionRecord } from '../ports/records.js';
import { onTranscriptChecked } from './decide-child.js';
import type { PersistentSteps } from './persistent-steps.js';

export interface StartedPromptsOptions {
  launcher: Pick<ClaudeLauncher, 'findInTranscript'>;
  log: Log;
  steps: PersistentSteps;
  record: () => SessionRecord;
}

/** Finds the prompts that a dead child had begun, from its transcript. */
export class StartedPrompts {
  readonly #options: StartedPromptsOptions;

  constructor(options: StartedPromptsOptions) {
    this.#options = options;
  }

  /** Reports to the session. When the machine cannot start a thread now, the search is retried later. */
  find(uuids: string[]): void {
    const { steps } = this.#options;
    const what = 'read the transcript';
    steps.attempt(what, () =>
      this.#tell(uuids).catch((error: Error) => steps.tryAgain(what, { error, action: () => this.find(uuids) })),
    );
  }

  async #tell(uuids: string[]): Promise<void> {
    const found = await this.#findIn(uuids).catch((error: Error) => {
      if (isCapacityError(error)) throw error;
      // Having to resend a prompt is better than running it twice.
      this.#options.log.warn('could not read the transcript', { error: error.message });
      return new Set(uuids);
    });
    await this.#options.steps.take((state, now) => onTranscriptChecked(state, found, now));
  }

  async #findIn(uuids: string[]): Promise<Set<string>> {
    const { launcher, record } = this.#options;
    const { directory: workingDirectory, claudeSessionId } = record();
    return claudeSessionId ? launcher.findInTranscript({ workingDirectory, claudeSessionId, uuids }) : new Set();
  }
}
