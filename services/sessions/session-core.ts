import { CompanionError } from '../../protocol/error-codes.js';
import type { PromptId, SessionId } from '../../protocol/scalars.js';
import type { PositionedFrame } from '../../protocol/server-frames.js';
import type { SessionBudgets } from '../ports/budgets.js';
import type { Journal } from '../ports/journal.js';
import type { Log } from '../ports/log.js';
import type { OwedRow, SessionPushes } from '../ports/outbox.js';
import type { Publisher } from '../ports/publication.js';
import type { KeptChange, PromptRecord, SessionChange, SessionRecord, StoredSession } from '../ports/records.js';
import type { PromptTraces } from '../ports/tracing.js';
import type { SessionState } from './machine/session-state.js';
import { type Effect, mergeChanges, type Step } from './machine/step-builder.js';
import { stateOf } from './machine/stored-state.js';

export interface SessionCoreOptions {
  stored: StoredSession;
  journal: Journal;
  publisher: Publisher;
  pushes: SessionPushes;
  budgets: SessionBudgets;
  /** Absent: they are not traced. */
  traces?: PromptTraces | undefined;
  log: Log;
  /** Wall clock in epoch milliseconds. */
  now: () => number;
  /** The session was purged and its followers have its last events. */
  onForget: () => void;
}

export type ChildEffect = Exclude<Effect, { kind: 'forget' }>;

/** Acts on the steps of a session. */
export interface StepReactor {
  run(effect: ChildEffect): void;
  /** Called when a step was taken and its effects have begun. */
  update(before: SessionState): void;
}

/** Decides a step of a session in this state, at this time in epoch milliseconds. Has no effects. */
export type Decide = (state: SessionState, now: number) => Step;

/** Undefined: no change. */
export type DecideAfterLook<Seen> = (state: SessionState, seen: Seen, now: number) => Step | undefined;

interface Waiting {
  resolve: (prompt: PromptRecord) => void;
  reject: (error: CompanionError) => void;
}

/**
 * The state of a session, and the only way to change it. Each step is decided by a pure function, written to the
 * journal, and only then executed, answered and published. A step that cannot be written has not happened. Steps run
 * one at a time, in the order of their requests.
 */
export class SessionCore {
  readonly journal: Journal;
  readonly log: Log;
  readonly #options: SessionCoreOptions;
  readonly #mailbox = new Mailbox();
  readonly #waiting = new Map<PromptId, Waiting[]>();
  #state: SessionState;
  #publishedHead: number;
  /** The record is gone: later changes must not recreate it. */
  #forgotten = false;
  /** Changes that are in the state but not yet in the journal. */
  #postponed: SessionChange | undefined;
  #acted: SessionState;
  #reactor: StepReactor | undefined;

  constructor(options: SessionCoreOptions) {
    this.#options = options;
    this.journal = options.journal;
    this.log = options.log;
    this.#state = stateOf(options.stored);
    this.#publishedHead = this.#state.head;
    this.#acted = this.#state;
    options.traces?.found(options.stored);
  }

  /** Must be called before the first step. */
  attach(reactor: StepReactor): void {
    this.#reactor = reactor;
  }

  get state(): SessionState {
    return this.#state;
  }

  get record(): SessionRecord {
    return this.#state.record;
  }

  get sessionId(): SessionId {
    return this.#state.record.sessionId;
  }

  /** The state as a step must see it. */
  get #present(): SessionState {
    const { budgets, now } = this.#options;
    return { ...this.#state, ticks: performance.now(), budgets: budgets.standings(this.record, now()) };
  }

  /** seq of the last published event; the state can be one step ahead. */
  get publishedHead(): number {
    return this.#publishedHead;
  }

  /** Whether a connected device of its person has subscribed to the type by its name. */
  isNamed(type: PositionedFrame['type']): boolean {
    return this.#options.publisher.isNamed(this.record.owner, type);
  }

  /** Changes state that is not in the journal. */
  note(state: SessionState): void {
    this.#state = state;
  }

  /** Resolves once this prompt has ended, even earlier. Rejects when it is not, or no longer, on record. */
  async outcome(promptId: PromptId): Promise<PromptRecord> {
    const known = this.journal.findPrompt(promptId);
    if (!known) throw purged();
    if (known.endedAt !== undefined) return known;
    return new Promise((resolve, reject) => {
      this.#waiting.set(promptId, [...(this.#waiting.get(promptId) ?? []), { resolve, reject }]);
    });
  }

  /** Runs a task between steps: the state changes only by what the task does. */
  inTurn<Result>(task: () => Promise<Result>): Promise<Result> {
    return this.#mailbox.run(task);
  }

  /**
   * A person's command: answered when it is on the disk, while the child is already working on it. In turn, because
   * the state that it needs is read there. `contents`: those of prompts that need not be read again.
   */
  async command(decide: Decide, reply?: () => void, contents?: SessionState['contents']): Promise<void> {
    const step = decide({ ...this.#present, ...(contents && { contents }) }, this.#options.now());
    await this.#record(step);
    this.#act(step);
    try {
      if (step.change) await this.journal.sync();
      reply?.();
    } finally {
      this.#publish(step);
    }
  }

  /**
   * Applies the child's output. A line without events is recorded with the next that has some; it can be reread.
   * `onTaken` is called when it is taken, right before it is published.
   */
  take(decide: Decide, onTaken: () => void = () => {}): Promise<void> {
    return this.inTurn(async () => {
      const step = decide(this.#present, this.#options.now());
      const isNews = step.effects.length > 0 || step.publications.some(({ kind }) => kind === 'event');
      if (isNews) await this.#record(step);
      else this.#postpone(step);
      this.#act(step);
      onTaken();
      this.#publish(step);
    });
  }

  /**
   * A step that depends on a read: nothing else happens between the read and the step. It is recorded at once, with or
   * without events, because nothing would repeat it.
   */
  takeAfterLook<Seen>(look: () => Promise<Seen>, decide: DecideAfterLook<Seen>): Promise<void> {
    return this.inTurn(async () => {
      const seen = await look();
      const step = decide(this.#present, seen, this.#options.now());
      if (!step) return;
      await this.#record(step);
      this.#act(step);
      this.#publish(step);
    });
  }

  async #record(step: Step): Promise<void> {
    if (this.#forgotten) throw purged();
    if (step.change) {
      await this.#commit(mergeChanges(this.#postponed, step.change));
      this.#postponed = undefined;
    }
    this.#state = step.state;
  }

  async #commit(change: SessionChange): Promise<void> {
    const { budgets, traces } = this.#options;
    const takeBack = budgets.claim(change.budgetMarks ?? []);
    try {
      this.#write(change, isKept(change) ? change : await this.journal.keepEvents(change));
    } catch (error) {
      takeBack();
      throw error;
    }
    budgets.committed(change);
    traces?.committed(change);
  }

  #write(change: SessionChange, kept: KeptChange): void {
    const { pushes } = this.#options;
    let owed: readonly OwedRow[] = [];
    this.journal.commit(kept, () => {
      owed = pushes.owed(change);
      return owed;
    });
    pushes.committed(change, owed);
  }

  #postpone(step: Step): void {
    if (step.change) this.#postponed = mergeChanges(this.#postponed, step.change);
    this.#state = step.state;
  }

  #act({ effects, state }: Step): void {
    const before = this.#acted;
    this.#acted = state;
    for (const effect of effects) if (effect.kind !== 'forget') this.#reactor?.run(effect);
    if (effects.some(isForget)) this.#forgotten = true;
    this.#reactor?.update(before);
  }

  #publish({ state, change, publications, effects }: Step): void {
    for (const prompt of change?.prompts ?? []) this.#tellWaiting(prompt);
    this.#publishedHead = state.head;
    const { sessionId, owner } = state.record;
    this.#options.publisher.publish({ sessionId, owner }, publications);
    // The session's followers are told of its end first.
    if (!effects.some(isForget)) return;
    for (const promptId of this.#waiting.keys()) this.#abandon(promptId);
    this.#options.onForget();
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

/** Whether its events fit in rows as they are. */
const isKept = (change: SessionChange): change is KeptChange => change.events.every(({ whole }) => whole === undefined);

const isForget = ({ kind }: Effect): boolean => kind === 'forget';

const purged = () => new CompanionError('SESSION_NOT_FOUND', 'The session was purged.', { field: 'sessionId' });

/** Runs tasks one after the other, in the order of submission. A failed task does not stop the next. */
export class Mailbox {
  #last: Promise<unknown> = Promise.resolve();

  run<Result>(task: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(task);
    // The submitter gets the failure.
    this.#last = result.catch(() => {});
    return result;
  }
}
