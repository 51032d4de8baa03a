import { CompanionError } from '../../../protocol/error-codes.js';
import { isCapacityError, toCapacityError } from '../../../protocol/failures.js';
import type { PromptId } from '../../../protocol/scalars.js';
import type { ClaudeLauncher } from '../../ports/claude.js';
import type { KnownBlock } from '../../ports/journal.js';
import type { PromptContents, PromptRecord } from '../../ports/records.js';
import { onContentsLost, onContentsRead, onTranscriptChecked } from '../machine/decide-child.js';
import type { SessionState } from '../machine/session-state.js';
import { continuationOf, type LostPrompt } from '../new-prompt.js';
import type { SessionCore } from '../session-core.js';
import type { PersistentSteps } from './persistent-steps.js';

export interface StartedPromptsOptions {
  launcher: Pick<ClaudeLauncher, 'findInTranscript'>;
  core: SessionCore;
  steps: PersistentSteps;
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
      this.#options.core.log.warn('the transcript cannot be read', { error: error.message });
      return new Set(uuids);
    });
    const continuation = await this.#continuationAfter(found);
    await this.#options.steps.take((state, now) => onTranscriptChecked(state, { found, continuation }, now));
  }

  /** Undefined when Claude knows all that it is to continue, from its transcript. */
  async #continuationAfter(found: ReadonlySet<string>): Promise<string | undefined> {
    const { journal, record } = this.#options.core;
    const lost = (record.continues ?? []).filter(({ uuid }) => !found.has(uuid));
    if (lost.length === 0) return undefined;
    const { sessionId } = record;
    const messageIds = lost.map(({ uuid }) => uuid);
    const { messages } = await journal.findKnownContent({ sessionId, messageIds, toolIds: [], toolsAfter: 0 });
    return continuationOf(lost.map(({ uuid, isOwn = false }) => ({ ...lostPromptOf(messages.get(uuid)?.[0]), isOwn })));
  }

  async #findIn(uuids: string[]): Promise<Set<string>> {
    const { launcher, core } = this.#options;
    const { directory: workingDirectory, claudeSessionId } = core.record;
    return claudeSessionId ? launcher.findInTranscript({ workingDirectory, claudeSessionId, uuids }) : new Set();
  }
}

function lostPromptOf(message: KnownBlock | undefined): Omit<LostPrompt, 'isOwn'> {
  const content = message?.content ?? [];
  return {
    text: content.map((block) => (block.type === 'text' ? (block.text ?? '') : '')).join(''),
    isCut: message?.isCut ?? false,
    images: content.filter(({ type }) => type === 'image').length,
  };
}

/** Reads the contents of prompts when they are due. */
export class PromptReader {
  readonly #core: SessionCore;
  readonly #steps: PersistentSteps;
  readonly #reading = new Set<PromptId>();

  constructor(core: SessionCore, steps: PersistentSteps) {
    this.#core = core;
    this.#steps = steps;
  }

  /** Reports to the session. Retries a temporary failure of disk or machine; missing contents end the prompt. */
  read(prompts: readonly PromptRecord[]): void {
    const wanted = prompts.filter(({ promptId }) => !this.#reading.has(promptId));
    if (wanted.length === 0) return;
    for (const { promptId } of wanted) this.#reading.add(promptId);
    const what = 'read a prompt';
    this.#steps.attempt(what, () =>
      this.#tell(wanted).catch((error: Error) =>
        this.#steps.tryAgain(what, { error, action: () => this.read(wanted) }),
      ),
    );
  }

  async #tell(prompts: readonly PromptRecord[]): Promise<void> {
    const read = new Map<PromptId, PromptContents>();
    const lost: PromptRecord[] = [];
    try {
      for (const prompt of prompts) {
        const contents = await this.#contentsOf(prompt);
        if (contents) read.set(prompt.promptId, contents);
        else lost.push(prompt);
      }
    } finally {
      for (const { promptId } of prompts) this.#reading.delete(promptId);
    }
    if (lost.length > 0) {
      await this.#steps.take((state, now) => onContentsLost(state, unchanged(state, lost).map(idOf), now));
    }
    if (read.size > 0) {
      await this.#steps.take((state, now) => {
        const current = new Set(unchanged(state, prompts).map(idOf));
        return onContentsRead(state, new Map([...read].filter(([promptId]) => current.has(promptId))), now);
      });
    }
  }

  /** Undefined when they are permanently lost. */
  async #contentsOf(prompt: PromptRecord): Promise<PromptContents | undefined> {
    try {
      return await this.#core.journal.readContents(prompt);
    } catch (error) {
      if (isPassing(error)) throw error;
      return undefined;
    }
  }
}

const idOf = ({ promptId }: PromptRecord): PromptId => promptId;

/** Those of these prompts whose contents have not been edited since. */
const unchanged = ({ prompts: current }: SessionState, prompts: readonly PromptRecord[]): PromptRecord[] =>
  prompts.filter((prompt) =>
    current.some(({ promptId, body }) => promptId === prompt.promptId && body?.id === prompt.body?.id),
  );

/** Whether a retry can succeed. */
const isPassing = (error: unknown): boolean =>
  isCapacityError(toCapacityError('', error)) || !(error instanceof CompanionError && error.code === 'NOT_FOUND');
