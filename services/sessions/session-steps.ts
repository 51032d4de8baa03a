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
  /** Called when a step was taken and its effects have begun. */
  onChange: (before: SessionState, after: SessionState) => void;
}

interface Waiting {
  resolve: (prompt: PromptRecord) => void;
  reject: (error: CompanionError) => void;
}

/**
 * Executes a decided step: journal, effects, answer, publication, in this order. A step that cannot be written has not
 * happened. The session's mailbox runs one at a time.
 */
export class SessionSteps {
  readonly #options: SessionStepsOptions;
  readonly #waiting = new Map<PromptId, Waiting[]>();
  #state: SessionState;
  #publishedHead: number;
  /** The record is gone: later changes must not recreate it. */
  #forgotten = false;
  /** Changes that are in the state but not yet in the journal. */
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

  /** seq of the last published event; the state can be one step ahead. */
  get publishedHead(): number {
    return this.#publishedHead;
  }

  /** Changes state that is not in the journal. */
  note(state: SessionState): void {
    this.#state = state;
  }

  /** Resolves once this prompt has ended, even earlier. Rejects when it is not, or no longer, on record. */
  async outcome(promptId: PromptId): Promise<PromptRecord> {
    const ended = new Promise<PromptRecord>((resolve, reject) => {
      this.#waiting.set(promptId, [...(this.#waiting.get(promptId) ?? []), { resolve, reject }]);
    });
    // It is returned below, and can reject before.
    ended.catch(() => {});
    // Looked up while already waiting: no end can fall between the two.
    const known = await this.#options.journal.findPrompt(promptId);
    if (known) this.#tellWaiting(known);
    else this.#abandon(promptId);
    return ended;
  }

  /** A person's command: answered when it is on the disk, while the child is already working on it. */
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

  /** Applies the child's output. A line without events is recorded with the next that has some; it can be reread. */
  async applyOutput(step: Step): Promise<void> {
    const isNews = step.effects.length > 0 || step.publications.some(({ kind }) => kind === 'event');
    if (isNews) await this.#record(step);
    else this.#postpone(step);
    this.#act(step);
    this.#publish(step);
  }

  /** Records at once what nothing would repeat, with or without events. */
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
    // The session's followers are told of its end first.
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
