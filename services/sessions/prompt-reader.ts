import { isCapacityError, toCapacityError } from '../../protocol/capacity-error.js';
import { CompanionError } from '../../protocol/error-codes.js';
import type { PromptId } from '../../protocol/scalars.js';
import type { Journal } from '../ports/journal.js';
import type { PromptContents, PromptRecord } from '../ports/records.js';
import { onContentsLost, onContentsRead } from './decide-contents.js';
import type { PersistentSteps } from './persistent-steps.js';

export interface PromptReaderOptions {
  journal: Pick<Journal, 'readContents'>;
  steps: PersistentSteps;
}

/** Reads the contents of prompts when they are due. */
export class PromptReader {
  readonly #options: PromptReaderOptions;
  readonly #reading = new Set<PromptId>();

  constructor(options: PromptReaderOptions) {
    this.#options = options;
  }

  /** Reports to the session. Retries a temporary failure of disk or machine; missing contents end the prompt. */
  read(prompts: readonly PromptRecord[]): void {
    const { steps } = this.#options;
    const wanted = prompts.filter(({ promptId }) => !this.#reading.has(promptId));
    if (wanted.length === 0) return;
    for (const { promptId } of wanted) this.#reading.add(promptId);
    const what = 'read a prompt';
    steps.attempt(what, () =>
      this.#tell(wanted).catch((error: Error) => steps.tryAgain(what, { error, action: () => this.read(wanted) })),
    );
  }

  async #tell(prompts: readonly PromptRecord[]): Promise<void> {
    const { steps } = this.#options;
    const read = new Map<PromptId, PromptContents>();
    const lost: PromptId[] = [];
    try {
      for (const prompt of prompts) {
        const contents = await this.#contentsOf(prompt);
        if (contents) read.set(prompt.promptId, contents);
        else lost.push(prompt.promptId);
      }
    } finally {
      for (const { promptId } of prompts) this.#reading.delete(promptId);
    }
    if (lost.length > 0) await steps.take((state, now) => onContentsLost(state, lost, now));
    if (read.size > 0) await steps.take((state, now) => onContentsRead(state, read, now));
  }

  /** Undefined when they are permanently lost. */
  async #contentsOf(prompt: PromptRecord): Promise<PromptContents | undefined> {
    try {
      return await this.#options.journal.readContents(prompt);
    } catch (error) {
      if (isPassing(error)) throw error;
      return undefined;
    }
  }
}

/** Whether a retry can succeed. */
const isPassing = (error: unknown): boolean =>
  isCapacityError(toCapacityError('', error)) || !(error instanceof CompanionError && error.code === 'NOT_FOUND');
