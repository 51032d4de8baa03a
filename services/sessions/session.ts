import type { PermissionsView } from '../../protocol/rest.js';
import type { PromptId, SessionId } from '../../protocol/scalars.js';
import type { ClaudeChild, OpenBlock } from '../ports/claude.js';
import type { Journal } from '../ports/journal.js';
import type { Publisher } from '../ports/publication.js';
import type {
  PermissionRecord,
  PromptRecord,
  RememberedGrant,
  SessionRecord,
  StoredSession,
  UserId,
} from '../ports/records.js';
import type { ObeyedState } from '../ports/workspace.js';
import { Acceptance, type Opening } from './acceptance.js';
import { ChildKeeper, type ChildKeeperOptions } from './child-keeper.js';
import type { SlotHolder } from './child-slots.js';
import { tellChangedFiles } from './decide-changed-files.js';
import * as command from './decide-command.js';
import { takeBackRemembered } from './decide-remembered.js';
import { Hibernation } from './hibernation.js';
import { LiveSettings } from './live-settings.js';
import { Mailbox } from './mailbox.js';
import { findOpen, refuseLateAnswer } from './permission-requests.js';
import { type DecideAfterLook, Reconciler, type ReconcilerOptions } from './reconciler.js';
import { isUnused, lastUseOf, openPermissions, type SessionState, statusOf } from './session-state.js';
import { SessionSteps } from './session-steps.js';
import type { Step } from './step-builder.js';
import { stateOf } from './stored-state.js';
import type { OfferedPrompt, WaitingContents } from './waiting-contents.js';
import { readAsked } from './whole-ask.js';

export interface SessionOptions extends Pick<ChildKeeperOptions, 'launcher' | 'log' | 'slots' | 'requireRoom'> {
  stored: StoredSession;
  journal: Journal;
  publisher: Publisher;
  waiting: WaitingContents;
  /** Wall clock in epoch milliseconds. */
  now: () => number;
  /** Idle time in milliseconds after which a child is ended. */
  idleMs: number;
  /** The session was purged and its child is gone. */
  onForget: (session: Session) => void;
}

/** Time for a working child to report its rules, in milliseconds. */
const RULES_MS = 1000;

/** The close reason of an unused session. */
const UNUSED = 'unused';

/** Called with a command's result when it is in the journal, before any client sees an event of it. */
export type Reply<Result> = (result: Result) => void;

/**
 * The session of one working directory. Everything that happens to it passes through its mailbox: a pure step is
 * decided, written to the journal, and only then executed, answered and published. A step that cannot be written has
 * not happened.
 */
export class Session {
  readonly #options: SessionOptions;
  readonly #mailbox = new Mailbox();
  readonly #keeper: ChildKeeper;
  readonly #reconciler: Reconciler;
  readonly #hibernation: Hibernation;
  readonly #settings: LiveSettings;
  readonly #steps: SessionSteps;
  readonly #acceptance: Acceptance;
  #isLooking = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#steps = new SessionSteps({
      journal: options.journal,
      publisher: options.publisher,
      state: stateOf(options.stored),
      onEffect: (effect) => (effect.kind === 'forget' ? options.onForget(this) : this.#keeper.run(effect)),
      onChange: (before, after) => this.#onChange(before, after),
    });
    const stepAfterLook: ReconcilerOptions['stepAfterLook'] = (look, decide) => this.#stepAfterLook(look, decide);
    this.#reconciler = new Reconciler({ ...options, state: () => this.state, stepAfterLook });
    this.#keeper = new ChildKeeper({
      ...options,
      state: () => this.state,
      step: (decide) => this.#run(decide),
      sync: () => options.journal.sync(),
      reconciler: this.#reconciler,
    });
    this.#settings = new LiveSettings({
      mailbox: this.#mailbox,
      child: () => this.#keeper.child,
      state: () => this.state,
      note: (state) => this.#steps.note(state),
      onNotPutBack: ({ message }) =>
        options.log.warn('the child may differ from the record', { sessionId: this.id, error: message }),
    });
    this.#acceptance = new Acceptance({
      ...options,
      mailbox: this.#mailbox,
      settings: this.#settings,
      steps: this.#steps,
      present: () => this.#present,
    });
    this.#hibernation = new Hibernation({
      ...options,
      state: () => this.state,
      child: () => this.#keeper.child,
      endIdle: () => this.#run(command.hibernate),
      onIdle: () => options.slots.idle(),
    });
  }

  get id(): SessionId {
    return this.state.record.sessionId;
  }

  get owner(): UserId {
    return this.state.record.owner;
  }

  get state(): SessionState {
    return this.#steps.state;
  }

  /** seq of the last published event; the state can be one step ahead. */
  get publishedHead(): number {
    return this.#steps.publishedHead;
  }

  /** The journal's epoch, within which a seq is valid. */
  get epoch(): string {
    return this.#options.journal.epoch;
  }

  get pid(): number | undefined {
    return this.#keeper.child?.pid;
  }

  /** Where its child works; undefined without a child, and when unknown. */
  async childDirectory(): ReturnType<ClaudeChild['directory']> {
    return this.#keeper.child?.directory();
  }

  /** The permission mode and rules in effect, as its child reports them; undefined without a child. */
  async permissions(): Promise<PermissionsView | undefined> {
    const { child } = this.#keeper;
    const { phase } = this.state.child;
    if (!child || phase !== 'live' || !this.state.child.ready) return undefined;
    const rules = await child.rules(RULES_MS);
    const { permissionMode: mode } = this.state.record;
    return { ...(mode !== undefined && { mode }), ...rules };
  }

  /** The session as seen by the slot queue. */
  get placeHolder(): SlotHolder {
    const { turn } = this.state;
    return {
      id: this.id,
      turnMs: turn ? performance.now() - turn.startedAt : undefined,
      idleMs: this.#hibernation.idleMs,
      hibernate: () => this.#hibernation.hibernate(),
    };
  }

  /** A child runs, starts or ends: work requested now starts no additional one. */
  get hasChild(): boolean {
    return this.state.child.phase !== 'none';
  }

  /** When it was last opened, prompted, answered or changed, or had output; epoch milliseconds. */
  get lastUse(): number {
    return lastUseOf(this.state);
  }

  /** The state as a step must see it. */
  get #present(): SessionState {
    return { ...this.state, ticks: performance.now() };
  }

  openBlocks(): OpenBlock[] {
    return this.#keeper.child?.openBlocks() ?? [];
  }

  /** Adopts the child left by an earlier daemon, if any, and continues. */
  async recover(): Promise<void> {
    const hadChild = this.state.record.child !== undefined;
    await this.#keeper.recover();
    if (!this.#keeper.child) void this.#reconciler.recover({ hadChild });
  }

  /** Opens the session for work, with a different conversation or settings if requested, and sends it a prompt. */
  start(opening: Opening, reply?: Reply<PromptRecord | undefined>) {
    return this.#acceptance.start(opening, reply);
  }

  /** Accepts a prompt; a repeated request id of the device means the same prompt, which is not accepted again. */
  acceptPrompt(offered: OfferedPrompt, reply?: Reply<{ prompt: PromptRecord; duplicate: boolean }>) {
    return this.#acceptance.accept(offered, reply);
  }

  /** Resolves when this prompt has ended. Must be called before that. */
  outcome(promptId: PromptId): Promise<PromptRecord> {
    return this.#steps.outcome(promptId);
  }

  cancelPrompt(promptId: PromptId, reply?: Reply<{ was: string }>) {
    return this.#mailbox.run(async () => {
      const was = this.state.prompts.find((prompt) => prompt.promptId === promptId)?.state ?? 'ended';
      await this.#steps.applyCommand(command.cancelPrompt(this.#present, promptId, this.#options.now()), () =>
        reply?.({ was }),
      );
    });
  }

  interrupt(clearQueue: boolean, reply?: Reply<{ was: ReturnType<typeof statusOf> }>) {
    return this.#mailbox.run(async () => {
      const was = statusOf(this.state);
      await this.#steps.applyCommand(command.interrupt(this.#present, clearQueue, this.#options.now()), () =>
        reply?.({ was }),
      );
    });
  }

  answerPermission(answer: Pick<command.PermissionAnswer, 'answer' | 'deviceId'>, reply?: Reply<PermissionRecord>) {
    return this.#mailbox.run(async () => {
      await refuseLateAnswer(this.state, answer.answer, this.#options.journal);
      const permission = findOpen(openPermissions(this.state), answer.answer.permissionId);
      const asked = await readAsked(permission, answer.answer, this.#options.journal);
      const meant = { ...answer, permission, asked };
      const { step, decided } = command.answerPermission(this.#present, meant, this.#options.now());
      await this.#steps.applyCommand(step, () => reply?.(decided));
    });
  }

  /** Revokes one remembered grant, or all: the running child asks again from now on. */
  takeBackRemembered(id: string | undefined, reply?: Reply<readonly RememberedGrant[]>) {
    return this.#mailbox.run(async () => {
      const { step, taken } = takeBackRemembered(this.#present, id, this.#options.now());
      await this.#steps.applyCommand(step, () => reply?.(taken));
    });
  }

  /** Changes names and settings; the running child gets model and mode first. */
  amend(changes: Partial<SessionRecord>, reply?: Reply<void>): Promise<void> {
    return this.#settings.change(changes, async () => {
      await this.#steps.applyCommand(command.amend(this.#present, changes, this.#options.now()), () => reply?.());
      return { result: undefined, recorded: true };
    });
  }

  close(reason: string, reply?: Reply<void>) {
    return this.#mailbox.run(() =>
      this.#steps.applyCommand(command.close(this.#present, reason, this.#options.now()), () => reply?.()),
    );
  }

  /** Closes the session if it is unused since this time and idle. Resolves to whether it did. */
  closeUnused(before: number): Promise<boolean> {
    return this.#mailbox.run(async () => {
      if (!isUnused(this.state, before)) return false;
      await this.#steps.applyCommand(command.close(this.#present, UNUSED, this.#options.now()));
      return true;
    });
  }

  /** Reports the files that programs obey and that have changed since its person last opened it. One scan at a time. */
  async lookForChanges(look: () => Promise<ObeyedState>): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const found = await look().finally(() => {
      this.#isLooking = false;
    });
    await this.#mailbox.run(async () => {
      const step = tellChangedFiles(this.#present, found, this.#options.now());
      if (step) await this.#steps.applyNow(step);
    });
  }

  /** Closes the session, and removes the record when the child is gone. */
  purge() {
    return this.#mailbox.run(() => this.#steps.applyCommand(command.purge(this.#present, this.#options.now())));
  }

  /** Writes a new session's record before its first use. */
  create(): Promise<void> {
    const { record } = this.state;
    return this.#options.journal.commit({ record, events: [], prompts: [], permissions: [] });
  }

  /** Detaches from the child, which keeps running. */
  async release(): Promise<void> {
    this.#reconciler.close();
    this.#hibernation.close();
    await this.#keeper.release();
  }

  /** Ends the child and everything it started, and starts no other: the daemon is about to stop. */
  async endChild(): Promise<void> {
    await this.#keeper.startNoMore();
    const { child } = this.#keeper;
    try {
      await this.#run(command.dismissChild);
    } finally {
      await child?.end();
    }
  }

  #onChange(before: SessionState, after: SessionState): void {
    const { turn } = before;
    if (turn && after.turn?.startedAt !== turn.startedAt) {
      this.#options.slots.turnEnded(performance.now() - turn.startedAt);
    }
    this.#keeper.update();
    this.#hibernation.update();
  }

  #run(decide: (state: SessionState, now: number) => Step): Promise<void> {
    return this.#mailbox.run(() => this.#steps.applyOutput(decide(this.#present, this.#options.now())));
  }

  /** A step that depends on a read: nothing else happens between the read and the step. */
  #stepAfterLook<Seen>(look: () => Promise<Seen>, decide: DecideAfterLook<Seen>): Promise<void> {
    return this.#mailbox.run(async () => {
      const seen = await look();
      const step = decide(this.#present, seen, this.#options.now());
      if (step) await this.#steps.applyNow(step);
    });
  }
}
