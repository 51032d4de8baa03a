import { CompanionError } from '../../protocol/error-codes.js';
import type { Rewound } from '../../protocol/events.js';
import type { PermissionsView } from '../../protocol/rest.js';
import type { PromptId, SessionId } from '../../protocol/scalars.js';
import { type Guarded, guarded } from '../model/guard.js';
import type { SessionBudgets } from '../ports/budgets.js';
import type { ClaudeChild, ControlRequest, OpenBlock } from '../ports/claude.js';
import type { Journal } from '../ports/journal.js';
import type { Log } from '../ports/log.js';
import type { SessionPushes } from '../ports/outbox.js';
import type { Publisher } from '../ports/publication.js';
import type {
  PermissionRecord,
  PromptBody,
  PromptRecord,
  RememberedGrant,
  SessionRecord,
  StoredSession,
  UserId,
} from '../ports/records.js';
import type { PromptTraces } from '../ports/tracing.js';
import type { ObeyedState } from '../ports/workspace.js';
import { AccountLimits } from './child/account-limits.js';
import { ChildKeeper, type ChildKeeperOptions } from './child/child-keeper.js';
import type { SlotHolder } from './child/child-slots.js';
import { LiveSettings } from './live-settings.js';
import * as command from './machine/decide-command.js';
import * as queue from './machine/decide-queue.js';
import { tellChangedFiles } from './machine/notices.js';
import { findOpen, readAsked, refuseLateAnswer } from './machine/permission-requests.js';
import {
  isStarting,
  isUnused,
  lastUseOf,
  openPermissions,
  type SessionState,
  statusOf,
} from './machine/session-state.js';
import type { Step } from './machine/step-builder.js';
import { type RewindRequest, rewind } from './rewind.js';
import { type Decide, SessionCore } from './session-core.js';
import type { OfferedPrompt, WaitingContents } from './waiting-contents.js';

export interface SessionOptions extends Omit<ChildKeeperOptions, 'core'> {
  stored: StoredSession;
  journal: Journal;
  publisher: Publisher;
  pushes: SessionPushes;
  budgets: SessionBudgets;
  /** Absent: they are not traced. */
  traces?: PromptTraces | undefined;
  waiting: WaitingContents;
  log: Log;
  /** Wall clock in epoch milliseconds. */
  now: () => number;
  /** The session was purged and its child is gone. */
  onForget: (session: Session) => void;
}

/** Time for a working child to report its rules, in milliseconds. */
const RULES_MS = 1000;

/** Time for a child to start, in milliseconds. */
const START_MS = 15_000;

/** The close reason of an unused session. */
const UNUSED = 'unused';

/** How a session is opened for work, and the prompt that it gets. */
export interface Opening extends Omit<command.StartRequest, 'prompt'> {
  offered?: OfferedPrompt;
}

/** Called with a command's result when it is in the journal, before any client sees an event of it. */
export type Reply<Result> = (result: Result) => void;

/** The session of one working directory: what people, the registry and the machine ask of it. */
export class Session {
  readonly #options: SessionOptions;
  readonly #core: SessionCore;
  readonly #keeper: ChildKeeper;
  readonly #settings: LiveSettings;
  #isLooking = false;
  readonly #limits: AccountLimits;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#core = new SessionCore({ ...options, onForget: () => options.onForget(this) });
    this.#keeper = new ChildKeeper({ ...options, core: this.#core });
    this.#core.attach(this.#keeper);
    this.#settings = new LiveSettings(this.#core, this.#keeper.current);
    this.#limits = new AccountLimits(this.#core);
  }

  get id(): SessionId {
    return this.state.record.sessionId;
  }

  get owner(): UserId {
    return this.state.record.owner;
  }

  get state(): SessionState {
    return this.#core.state;
  }

  /** seq of the last published event; the state can be one step ahead. */
  get publishedHead(): number {
    return this.#core.publishedHead;
  }

  /** The journal's epoch, within which a seq is valid. */
  get epoch(): string {
    return this.#core.journal.epoch;
  }

  get pid(): number | undefined {
    return this.#keeper.current.held?.pid;
  }

  /** Where its child works; undefined without a child, and when unknown. */
  async childDirectory(): ReturnType<ClaudeChild['directory']> {
    return this.#keeper.current.held?.directory();
  }

  /** The permission mode and rules in effect, as its child reports them; undefined without a child. */
  async permissions(): Promise<PermissionsView | undefined> {
    const child = this.#keeper.current.held;
    const { phase } = this.state.child;
    if (!child || phase !== 'live' || !this.state.child.ready) return undefined;
    const rules = await child.rules(RULES_MS);
    const { permissionMode: mode } = this.state.record;
    return { ...(mode !== undefined && { mode }), ...rules };
  }

  /**
   * The answer of its child to a control request. Rejects as `ClaudeChild.ask` does, and as `runningChild` does.
   */
  async askChild(request: ControlRequest, withinMs?: number): Promise<Record<string, unknown>> {
    return (await this.runningChild()).ask(request, withinMs);
  }

  /**
   * Its child; one that is being started is waited for. Rejects with `CONFLICT` while none runs, and with `TIMEOUT`
   * after 15 s.
   */
  async runningChild(): Promise<ClaudeChild> {
    const { current } = this.#keeper;
    const deadline = performance.now() + START_MS;
    const isOver = () => this.state.record.closed !== undefined || this.state.child.phase === 'ending';
    const running = () => (isOver() ? undefined : current.held);
    while (!running() && isStarting(this.state) && !this.state.record.closed) {
      if (performance.now() >= deadline) throw new CompanionError('TIMEOUT', 'The Claude CLI has not started in time.');
      await current.changed(deadline - performance.now());
    }
    const child = running();
    if (child) return child;
    throw new CompanionError('CONFLICT', 'The session has no running Claude CLI.', {
      field: 'sessionId',
      rule: 'must be a session whose Claude CLI runs',
      suggestion: 'Send a prompt, or open the session with an empty one.',
    });
  }

  /** Its child runs, so it can be asked. */
  get canAsk(): boolean {
    return this.#keeper.current.held !== undefined && this.state.child.phase === 'live';
  }

  /** Asks its child how much of the account's limits is used, if it was not asked within the last minute. */
  async refreshLimits(): Promise<void> {
    const child = this.#keeper.current.held;
    if (child && this.canAsk) await this.#limits.refresh(child);
  }

  /** Takes over what was given to its conversation at a desk, within the second. Never rejects. */
  refreshLabels(): Promise<void> {
    return this.#keeper.labels.refresh();
  }

  /** Resolves when everything that its child has written so far is in the state. */
  async caughtUp(): Promise<void> {
    await this.#keeper.current.held?.drain();
  }

  /** The session as seen by the slot queue. */
  get slotHolder(): SlotHolder {
    const { turn } = this.state;
    const { hibernation } = this.#keeper;
    return {
      id: this.id,
      turnMs: turn ? performance.now() - turn.startedAt : undefined,
      idleMs: hibernation.idleMs,
      hibernate: () => hibernation.hibernate(),
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

  openBlocks(): OpenBlock[] {
    return this.#keeper.current.openBlocks();
  }

  /** Adopts the child left by an earlier daemon, if any, and continues. */
  recover(): Promise<void> {
    return this.#keeper.recover();
  }

  /** Opens the session for work, with a different conversation or settings if requested, and sends it a prompt. */
  async start({ offered, ...request }: Opening, reply?: Reply<PromptRecord | undefined>) {
    let accepted: PromptRecord | undefined;
    const start = async (prompt?: PromptRecord) => {
      accepted = await this.#start({ ...request, ...(prompt && { prompt }) }, offered, reply);
    };
    await (offered ? this.#offer(offered, start) : start());
    return accepted;
  }

  /** Accepts a prompt; a repeated request id of the device means the same prompt, which is not accepted again. */
  acceptPrompt(offered: OfferedPrompt, reply?: Reply<{ prompt: PromptRecord; duplicate: boolean }>) {
    return this.#offer(offered, (prompt) =>
      this.#core.inTurn(async () => {
        const known = await this.#findAgain(prompt);
        if (known) {
          reply?.({ prompt: known, duplicate: true });
          return;
        }
        const position = command.positionOf(this.state, prompt.mode);
        const accepted = { ...prompt, answer: { ...prompt.answer, position } };
        await this.#core.command(
          (state, now) => command.acceptPrompt(state, accepted, now),
          () => reply?.({ prompt: accepted, duplicate: false }),
          contentsOf(offered),
        );
      }),
    );
  }

  /** Resolves when the changes of the prompt's turn have been told. */
  diffTold(promptId: PromptId): Promise<void> {
    return this.#keeper.diffs.settled(promptId);
  }

  /** Resolves when this prompt has ended. Must be called before that. */
  outcome(promptId: PromptId): Promise<PromptRecord> {
    return this.#core.outcome(promptId);
  }

  /** A steered prompt that the CLI still holds is taken back from it, and its turn goes on. */
  async cancelPrompt({ promptId, guard }: Guarded & { promptId: PromptId }, reply?: Reply<{ was: string }>) {
    guard?.();
    const was = this.state.prompts.find((prompt) => prompt.promptId === promptId)?.state;
    const [withdrawn] = await this.#withdraw(command.unreadPrompts(this.state).filter(isPrompt(promptId)));
    return this.#core.inTurn(async () => {
      const found = this.state.prompts.find(isPrompt(promptId))?.state ?? was ?? 'ended';
      await this.#core.command(
        (state, now) =>
          withdrawn
            ? queue.dropWithdrawn(state, withdrawn, now)
            : guarded(guard, command.cancelPrompt)(state, promptId, now),
        () => reply?.({ was: found }),
      );
    });
  }

  /** Replaces the text of a prompt that waits. Rejects with `CONFLICT` when it has begun or ended. */
  async editPrompt({ promptId, text, guard }: queue.Edit & Guarded, reply?: Reply<void>): Promise<void> {
    const { journal } = this.#core;
    const { body, ...prompt } = queue.requireEditable(this.state, promptId);
    const images = body?.images.length ? (await journal.readContents({ ...prompt, body })).images : [];
    const bodyOf = () => this.state.prompts.find(isPrompt(promptId))?.body?.id;
    const take = (kept: PromptRecord) =>
      this.#core.inTurn(async () => {
        const before = bodyOf();
        try {
          await this.#core.command((state, now) => guarded(guard, queue.editPrompt)(state, kept, now), reply);
        } finally {
          if (before !== undefined && bodyOf() !== before) void journal.blobs.remove([before]);
        }
      });
    const isTaken = ({ id }: PromptBody) => bodyOf() === id;
    const offered = { prompt: { ...prompt, text }, contents: { text, images } };
    await this.#options.waiting.offer({ ...offered, take, isTaken, replaces: promptId });
  }

  /** Changes the running order of the prompts that wait. */
  movePrompt(move: queue.Move, reply?: Reply<{ position: number }>) {
    return this.#decided((state, now) => queue.movePrompt(state, move, now), reply);
  }

  /** Drops the prompts that wait, here and in the CLI; the running turn goes on. */
  async clearQueue(reply?: Reply<{ cancelled: PromptId[] }>) {
    const withdrawn = await this.#withdraw(command.unreadPrompts(this.state));
    return this.#decided((state, now) => queue.clearQueue(state, withdrawn, now), reply);
  }

  /** Goes back to before a prompt of the session, which must have begun. Rejects as `rewind` does. */
  rewind(request: RewindRequest, reply: Reply<Rewound>): Promise<void> {
    const { launcher } = this.#options;
    return rewind({ core: this.#core, current: this.#keeper.current, launcher }, request, reply);
  }

  /** Lets a held queue go on. */
  continueQueue(reply?: Reply<{ waited: number }>) {
    return this.#decided(queue.continueQueue, reply);
  }

  interrupt(request: command.InterruptRequest, reply?: Reply<{ was: ReturnType<typeof statusOf> }>) {
    return this.#core.inTurn(async () => {
      const was = statusOf(this.state);
      await this.#core.command(
        (state, now) => command.interrupt(state, request, now),
        () => reply?.({ was }),
      );
    });
  }

  answerPermission(
    answer: Pick<command.PermissionAnswer, 'answer' | 'deviceId' | 'inOneTap'>,
    reply?: Reply<PermissionRecord>,
  ) {
    const { journal } = this.#core;
    return this.#core.inTurn(async () => {
      refuseLateAnswer(this.state, answer.answer, journal);
      const permission = findOpen(openPermissions(this.state), answer.answer.permissionId);
      const asked = await readAsked(permission, answer.answer, journal);
      let decided = permission;
      const decide: Decide = (state, now) => {
        const decision = command.answerPermission(state, { ...answer, permission, asked }, now);
        decided = decision.decided;
        return decision.step;
      };
      await this.#core.command(decide, () => reply?.(decided));
    });
  }

  /** Revokes one remembered grant, or all: the running child asks again from now on. */
  takeBackRemembered(id: string | undefined, reply?: Reply<readonly RememberedGrant[]>) {
    return this.#decided(
      (state, now) => command.takeBackRemembered(state, id, now),
      ({ taken }) => reply?.(taken),
    );
  }

  /** Changes names and settings; the running child gets the settings first. */
  amend(
    changes: Partial<SessionRecord> | ((record: SessionRecord) => Partial<SessionRecord>),
    reply?: Reply<void>,
  ): Promise<void> {
    const wanted = typeof changes === 'function' ? () => changes(this.state.record) : changes;
    return this.#settings.change(wanted, async (inEffect) => {
      await this.#core.command(
        (state, now) => command.amend(state, inEffect, now),
        () => reply?.(),
      );
      return { result: undefined, recorded: true };
    });
  }

  close({ reason, guard }: Guarded & { reason: string }, reply?: Reply<void>) {
    return this.#core.inTurn(() =>
      this.#core.command(
        (state, now) => guarded(guard, command.close)(state, reason, now),
        () => reply?.(),
      ),
    );
  }

  /** Closes the session, or purges that of a program, if it is unused since this time and idle. Resolves to whether it did. */
  closeUnused(before: number): Promise<boolean> {
    return this.#core.inTurn(async () => {
      if (!isUnused(this.state, before)) return false;
      const { ofProgram } = this.state.record;
      await this.#core.command((state, now) =>
        ofProgram ? command.purge(state, now) : command.close(state, UNUSED, now),
      );
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
    await this.#core.takeAfterLook(async () => found, tellChangedFiles);
  }

  /** Closes the session, and removes the record when the child is gone. */
  purge(guard?: Guarded['guard']) {
    return this.#core.inTurn(() => this.#core.command(guarded(guard, command.purge)));
  }

  /** Writes a new session's record before its first use. */
  create(): void {
    const { record } = this.state;
    this.#core.journal.commit({ record, events: [], prompts: [], permissions: [] });
  }

  /** Detaches from the child, which keeps running. */
  release(): Promise<void> {
    return this.#keeper.release();
  }

  /** Ends the child and everything it started, and starts no other: the daemon is about to stop. */
  async endChild(): Promise<void> {
    await this.#keeper.startNoMore();
    const child = this.#keeper.current.held;
    try {
      await this.#core.take(command.dismissChild);
    } finally {
      await child?.end();
    }
  }

  /** Runs a command whose decision has a result as well. */
  #decided<Result>(
    decide: (state: SessionState, now: number) => Result & { step: Step },
    reply: Reply<Result> | undefined,
  ): Promise<void> {
    return this.#core.inTurn(async () => {
      let decision: Result | undefined;
      await this.#core.command(
        (state, now) => {
          const decided = decide(state, now);
          decision = decided;
          return decided.step;
        },
        () => {
          if (decision !== undefined) reply?.(decision);
        },
      );
    });
  }

  /** Those of these prompts that the CLI still held, and has dropped. */
  async #withdraw(unread: readonly PromptRecord[]): Promise<PromptId[]> {
    const dropped = await Promise.all(
      unread.map(async ({ promptId, uuid }) => ((await this.#keeper.withdraw(uuid)) ? promptId : undefined)),
    );
    return dropped.filter((promptId) => promptId !== undefined);
  }

  #start(
    request: command.StartRequest,
    offered: OfferedPrompt | undefined,
    reply?: Reply<PromptRecord | undefined>,
  ): Promise<PromptRecord | undefined> {
    const { conversation, changes, prompt } = request;
    // A different conversation gets a new child, which starts with the recorded settings.
    return this.#settings.change(conversation ? {} : changes, async (inEffect) => {
      const known = prompt && (await this.#findAgain(prompt));
      if (known) {
        reply?.(known);
        return { result: known, recorded: false };
      }
      const accepted = prompt && { ...prompt, answer: { ...prompt.answer, head: this.state.head, epoch: this.epoch } };
      const opened = { ...request, changes: { ...changes, ...inEffect }, ...(accepted && { prompt: accepted }) };
      await this.#core.command(
        (state, now) => command.start(state, opened, now),
        () => reply?.(accepted),
        contentsOf(offered),
      );
      return { result: accepted, recorded: true };
    });
  }

  #offer({ prompt, contents }: OfferedPrompt, take: (kept: PromptRecord) => Promise<void>): Promise<void> {
    const isTaken = () => this.state.prompts.some(isPrompt(prompt.promptId));
    return this.#options.waiting.offer({ prompt, contents, take, isTaken });
  }

  /** The prompt accepted under this request id. Syncs, since the first answer can have failed at its sync. */
  async #findAgain({ device, requestId }: PromptRecord): Promise<PromptRecord | undefined> {
    const known = requestId === null ? undefined : this.#core.journal.findRequest(device, requestId);
    if (known) await this.#core.journal.sync();
    return known;
  }
}

const isPrompt =
  (promptId: PromptId) =>
  (prompt: PromptRecord): boolean =>
    prompt.promptId === promptId;

/** A prompt that is next, or that steers, need not be read again. */
const contentsOf = (offered: OfferedPrompt | undefined): SessionState['contents'] =>
  offered && new Map([[offered.prompt.promptId, offered.contents]]);
