import { CompanionError } from '../../protocol/error-codes.js';
import type { PromptId } from '../../protocol/scalars.js';
import type { Journal } from '../ports/journal.js';
import type { Publisher } from '../ports/publication.js';
import type { PromptRecord, SessionChange } from '../ports/records.js';
import type { Effect } from './effects.js';
import type { SessionState } from './session-state.js';
import { mergeChanges, type Step } from './step-builder.js';

export interface SessionStepsOptions {
  journal: Journal;
  publisher: Publisher;
  state: SessionState;
  onEffect: (effect: Effect) => void;
  /** Called when a step has been taken and its effects have begun. */
  onChange: (before: SessionState, after: SessionState) => void;
}

interface Waiting {
  resolve: (prompt: PromptRecord) => void;
  reject: (error: CompanionError) => void;
}

/**
 * How a decided step becomes real: written to the journal, acted upon, answered, published, in this order. A step that
 * cannot be written has not happened. One at a time: the session's mailbox sees to that.
 */
export class SessionSteps {
  readonly #options: SessionStepsOptions;
  readonly #waiting = new Map<PromptId, Waiting[]>();
  #state: SessionState;
  #publishedHead: number;
  /** The record is gone: whatever comes now comes too late, and must not begin it again. */
  #forgotten = false;
  /** Changes that are in the state and not yet in the journal. */
  #postponed: SessionChange | undefined;
  #acted: SessionState;

  constructor(options: SessionStepsOptions) {
    this.#options = options;
    this.#state = options.state;
    this.#publishedHead = options.state.head;
    this.#acted = options.state;
  }

  get state(): SessionState {
    return this.#state;
  }

  /** seq of the last event that was published; the state may be one step ahead of it. */
  get publishedHead(): number {
    return this.#publishedHead;
  }

  /** Changes what of the state is in no journal. */
  note(state: SessionState): void {
    this.#state = state;
  }

  /** Resolves when this prompt has ended, also where that was before. Rejects when it is not on record, or not any more. */
  async outcome(promptId: PromptId): Promise<PromptRecord> {
    const ended = new Promise<PromptRecord>((resolve, reject) => {
      this.#waiting.set(promptId, [...(this.#waiting.get(promptId) ?? []), { resolve, reject }]);
    });
    // It is returned below, and may be rejected before.
    ended.catch(() => {});
    // Looked up when it waits already: no end falls between the two.
    const known = await this.#options.journal.findPrompt(promptId);
    if (known) this.#tellWaiting(known);
    else this.#abandon(promptId);
    return ended;
  }

  /** A person's command: it is answered when the disk itself has it, while the child is at work on it already. */
  async applyCommand(step: Step, reply?: () => void): Promise<void> {
    await this.#record(step);
    this.#act(step);
    try {
      if (step.change) await this.#options.journal.sync();
      reply?.();
    } finally {
      this.#publish(step);
    }
  }

  /** What the child does. A line that is no event is recorded with the next that is: until then it can be read again. */
  async applyOutput(step: Step): Promise<void> {
    const isNews = step.effects.length > 0 || step.publications.some(({ kind }) => kind === 'event');
    if (isNews) await this.#record(step);
    else this.#postpone(step);
    this.#act(step);
    this.#publish(step);
  }

  /** What nothing would come again for: it is recorded at once, news or not. */
  async applyNow(step: Step): Promise<void> {
    await this.#record(step);
    this.#act(step);
    this.#publish(step);
  }

  async #record(step: Step): Promise<void> {
    if (this.#forgotten) {
      throw purged();
    }
    if (step.change) {
      await this.#options.journal.commit(mergeChanges(this.#postponed, step.change));
      this.#postponed = undefined;
    }
    this.#state = step.state;
  }

  #postpone(step: Step): void {
    if (step.change) this.#postponed = mergeChanges(this.#postponed, step.change);
    this.#state = step.state;
  }

  #act({ effects, state }: Step): void {
    const before = this.#acted;
    this.#acted = state;
    for (const effect of effects) if (effect.kind !== 'forget') this.#options.onEffect(effect);
    if (effects.some(isForget)) this.#forgotten = true;
    this.#options.onChange(before, state);
  }

  #publish({ state, change, publications, effects }: Step): void {
    for (const prompt of change?.prompts ?? []) this.#tellWaiting(prompt);
    this.#publishedHead = state.head;
    const { sessionId, owner } = state.record;
    this.#options.publisher.publish({ sessionId, owner }, publications);
    // Who follows the session is told of its end first.
    if (!effects.some(isForget)) return;
    for (const promptId of this.#waiting.keys()) this.#abandon(promptId);
    for (const effect of effects.filter(isForget)) this.#options.onEffect(effect);
  }

  #tellWaiting(prompt: PromptRecord): void {
    if (prompt.endedAt === undefined) return;
    for (const { resolve } of this.#waiting.get(prompt.promptId) ?? []) resolve(prompt);
    this.#waiting.delete(prompt.promptId);
  }

  #abandon(promptId: PromptId): void {
    for (const { reject } of this.#waiting.get(promptId) ?? []) reject(purged());
    this.#waiting.delete(promptId);
  }
}

const isForget = ({ kind }: Effect): boolean => kind === 'forget';

const purged = () => new CompanionError('SESSION_NOT_FOUND', 'The session was purged.', { field: 'sessionId' });
