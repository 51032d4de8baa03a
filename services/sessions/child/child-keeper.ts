import { CompanionError } from '../../../protocol/error-codes.js';
import { isCapacityError } from '../../../protocol/failures.js';
import type { ClaudeChild, ClaudeLauncher } from '../../ports/claude.js';
import type { RequireRoom } from '../../ports/machine.js';
import type { Snapshots } from '../../ports/snapshots.js';
import {
  onChildAdopted,
  onChildExited,
  onInterruptIgnored,
  onNoChild,
  onTornChildRead,
} from '../machine/decide-child.js';
import { onModelRead } from '../machine/decide-command.js';
import { hasUntold, onNameTold } from '../machine/session-labels.js';
import type { SessionState } from '../machine/session-state.js';
import type { ChildAdjustment, Effect } from '../machine/step-builder.js';
import { newResumption } from '../new-prompt.js';
import type { ChildEffect, SessionCore, StepReactor } from '../session-core.js';
import type { ChildSlots } from './child-slots.js';
import { ChildStarter } from './child-starter.js';
import { Continuation } from './continuation.js';
import { CurrentChild } from './current-child.js';
import { Hibernation } from './hibernation.js';
import { LabelKeeper } from './label-keeper.js';
import { PersistentSteps } from './persistent-steps.js';
import { PromptReader, StartedPrompts } from './prompt-delivery.js';
import { PromptTools } from './prompt-tools.js';
import { Reconciler } from './reconciler.js';
import { TurnDiffs } from './turn-diffs.js';

export interface ChildKeeperOptions {
  core: SessionCore;
  launcher: ClaudeLauncher;
  slots: ChildSlots;
  snapshots: Snapshots;
  requireRoom: RequireRoom;
  /** Idle time in milliseconds after which a child is ended. */
  idleMs: number;
  /** Wall clock in epoch milliseconds. */
  now: () => number;
}

/** Time for an interrupted turn to end once the CLI has accepted the interrupt, in milliseconds. */
const TURN_END_MS = 30_000;

/** Time for the CLI to drop a message that it holds, in milliseconds. */
const WITHDRAWN_MS = 5000;

/** Applies the effects of a session's steps to its child: starts, adopts, prompts, interrupts and ends it. */
export class ChildKeeper implements StepReactor {
  readonly current: CurrentChild;
  readonly hibernation: Hibernation;
  readonly labels: LabelKeeper;
  readonly diffs: TurnDiffs;
  readonly #continuation: Continuation;
  readonly #options: ChildKeeperOptions;
  readonly #core: SessionCore;
  readonly #steps: PersistentSteps;
  readonly #reconciler: Reconciler;
  readonly #starter: ChildStarter;
  readonly #begun: StartedPrompts;
  readonly #prompts: PromptReader;
  readonly #tools: PromptTools;
  #released = false;

  readonly #handlers: { [Kind in ChildEffect['kind']]: (effect: Extract<ChildEffect, { kind: Kind }>) => void } = {
    startChild: (effect) => this.#starter.start(effect),
    endChild: ({ insist }) => this.#steps.attempt('end the child', () => this.#child?.end({ insist })),
    sendMessage: (effect) => this.#sendMessage(effect),
    withdrawMessages: ({ uuids }) => {
      for (const uuid of uuids) void this.withdraw(uuid);
    },
    readPrompts: ({ prompts }) => this.#prompts.read(prompts),
    answerPermission: ({ requestId, answer }) => this.#child?.answerPermission(requestId, answer),
    refuseRequest: (effect) => this.#child?.refuseRequest(effect),
    adjustChild: (effect) => this.#adjust(effect, this.#child),
    renameConversation: ({ title }) => this.#rename(title),
    writeLabels: () => void this.labels.write(),
    readModel: () => this.#readModel(),
    forgetFileRules: ({ rules }) => this.#forgetFileRules(rules),
    interrupt: (effect) => this.#steps.attempt('interrupt the child', () => this.#interrupt(effect)),
    logDifference: ({ message }) => this.#core.log.warn(message, { sessionId: this.#core.sessionId }),
    checkTranscript: ({ uuids }) => this.#begun.find(uuids),
    noteFiles: ({ at }) => this.diffs.note(at),
    compareFiles: ({ owed }) => this.#steps.attempt('compare its directory', () => this.diffs.compare(owed)),
  };

  constructor(options: ChildKeeperOptions) {
    const { core, launcher, slots } = options;
    this.#options = options;
    this.#core = core;
    if (core.record.child) slots.hold(core.sessionId);
    this.#steps = new PersistentSteps(core);
    this.#reconciler = new Reconciler({ core, launcher });
    this.labels = new LabelKeeper({ core, launcher });
    const parts = { ...options, steps: this.#steps, reconciler: this.#reconciler, labels: this.labels };
    this.current = new CurrentChild(parts);
    this.#begun = new StartedPrompts(parts);
    this.#prompts = new PromptReader(core, this.#steps);
    this.#tools = new PromptTools({ ...parts, current: this.current });
    this.#starter = new ChildStarter({ ...parts, current: this.current });
    this.hibernation = new Hibernation({ ...parts, current: this.current });
    this.#continuation = new Continuation(options);
    this.diffs = new TurnDiffs(parts);
  }

  run(effect: ChildEffect): void {
    const handler = this.#handlers[effect.kind] as (effect: ChildEffect) => void;
    handler(effect);
  }

  update({ turn }: SessionState): void {
    const { slots } = this.#options;
    if (turn && this.#core.state.turn?.startedAt !== turn.startedAt)
      slots.turnEnded(performance.now() - turn.startedAt);
    if (!this.#released) {
      this.#starter.update();
      this.current.update();
      this.#tools.update();
      this.#continuation.update();
      this.diffs.update();
    }
    this.hibernation.update();
  }

  /** Adopts the child left by an earlier daemon, if any, and adds the messages from the time without a daemon. */
  async recover(): Promise<void> {
    const hadChild = this.#core.record.child !== undefined;
    await this.#adopt();
    this.diffs.recover();
    if (!this.#child) void this.#reconciler.recover({ hadChild });
    if (hasUntold(this.#core.record)) void this.labels.write();
  }

  /** Resolves early on a shortage, and retries. */
  #adopt(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#takeUp(resolve).then(resolve, (error: Error) => {
        if (!isCapacityError(error)) return reject(error);
        this.#steps.tryAgain('adopt a child', { error, action: () => this.#adopt() });
        resolve();
      });
    });
  }

  async #takeUp(onWaiting: () => void): Promise<void> {
    const { launcher } = this.#options;
    const { sessionId, child, deniedTools = [] } = this.#core.record;
    if (!child) {
      await launcher.discard(sessionId);
      await this.#steps.take(onNoChild, onWaiting);
      return;
    }
    const { listener, ready } = this.current.newListener();
    const adopted = await launcher.adopt({ sessionId, ...child, listener, deniedTools });
    if (!adopted) {
      const exit = { code: null, signal: null, lastWords: '' };
      await launcher.discard(sessionId);
      this.#options.slots.leave(sessionId);
      await this.#steps.take(
        (state, now) => onChildExited(state, { exit, cut: [], resumption: newResumption(state.record, now) }, now),
        onWaiting,
      );
      return;
    }
    this.current.expect(adopted);
    this.#log('child adopted', { pid: adopted.pid });
    const { inputTorn } = adopted;
    await this.#steps.take((state, now) => onChildAdopted(state, { inputTorn }, now), onWaiting);
    ready(true);
    // When its output is reread from the beginning (the journal lost its end), no prompt can come in between.
    if (inputTorn || (child.resume === 0 && child.processed > 0)) await adopted.drain();
    // It can have died meanwhile, and another can have been started.
    if (this.#child !== adopted) return;
    this.current.hold(adopted);
    if (!inputTorn) return;
    const answering = adopted.openBlocks().some(({ parentToolUseId }) => parentToolUseId === undefined);
    await this.#steps.take((state, now) => onTornChildRead(state, answering, now), onWaiting);
  }

  /** Leaves later requests to the next daemon. Resolves when no start is in progress. */
  startNoMore(): Promise<void> {
    return this.#starter.close();
  }

  /** Detaches from the child, which keeps running. Resolves when a child being started has been detached too. */
  async release(): Promise<void> {
    this.#reconciler.close();
    this.labels.close();
    this.hibernation.close();
    this.#continuation.close();
    this.diffs.close();
    await this.#starter.close();
    this.#released = true;
    this.#steps.close();
    this.current.release();
  }

  /** Resolves to whether the CLI still held this message, and has dropped it. */
  async withdraw(uuid: string): Promise<boolean> {
    try {
      const request = { subtype: 'cancel_async_message', message_uuid: uuid };
      return (await this.#child?.ask(request, WITHDRAWN_MS))?.cancelled === true;
    } catch (error) {
      this.#steps.tellFailed('withdraw a message', error);
      return false;
    }
  }

  get #child(): ClaudeChild | undefined {
    return this.current.held;
  }

  async #interrupt({ withinMs, turnStartedAt }: Extract<Effect, { kind: 'interrupt' }>): Promise<void> {
    const child = this.#child;
    if (!child) return;
    const insist = async () => {
      // This process can have been suspended itself, and have read nothing meanwhile.
      await child.drain();
      if (this.#child !== child) return;
      await this.#steps.takeOrTell((state, now) => onInterruptIgnored(state, turnStartedAt, now));
    };
    try {
      await child.interrupt(withinMs);
      this.#steps.later('end a turn', { afterMs: TURN_END_MS, action: insist });
    } catch (error) {
      if (!(error instanceof CompanionError && error.code === 'TIMEOUT')) throw error;
      await insist();
    }
  }

  #sendMessage({ promptId, requestId, message }: Extract<Effect, { kind: 'sendMessage' }>): void {
    this.#log('prompt given', { promptId, requestId });
    this.#tools.update();
    this.#child?.sendMessage(message);
  }

  #forgetFileRules(rules: readonly string[]): void {
    const { launcher } = this.#options;
    this.#steps.attempt('remove rules from the settings of the directory', () =>
      launcher.forgetFileRules(this.#core.record.directory, rules),
    );
  }

  #rename(title: string): void {
    this.#steps.attempt('name the conversation', async () => {
      const child = this.#child;
      if (!child) return;
      await child.rename(title);
      await this.#steps.takeOrTell((state, now) => onNameTold(state, title, now));
    });
  }

  #readModel(): void {
    this.#steps.attempt('read the model', async () => {
      const usage = await this.#child?.questions.contextUsage();
      const { model } = usage ?? {};
      if (model !== undefined) await this.#steps.takeOrTell((state, now) => onModelRead(state, model, now));
    });
  }

  /** Retried until the child has agreed or is gone: it must not continue with a revoked grant. */
  #adjust(effect: Extract<Effect, { kind: 'adjustChild' }>, child: ClaudeChild | undefined): void {
    if (!child || this.#child !== child) return;
    adjust(child, effect).catch((error: Error) =>
      this.#steps.tryAgain('adjust the child', { error, action: () => this.#adjust(effect, child) }),
    );
  }

  #log(message: string, fields: Record<string, unknown>): void {
    this.#core.log.info(message, { sessionId: this.#core.sessionId, ...fields });
  }
}

async function adjust(child: ClaudeChild, { askRules = [], directories, mode, model, ...others }: ChildAdjustment) {
  const { effort, maxThinkingTokens } = others;
  await Promise.all([
    ...(model === undefined ? [] : [child.setModel(model)]),
    ...(mode === undefined ? [] : [child.setPermissionMode(mode)]),
    ...(effort === undefined ? [] : [child.setEffort(effort)]),
    ...(maxThinkingTokens === undefined ? [] : [child.setMaxThinkingTokens(maxThinkingTokens)]),
    ...(directories === undefined ? [] : [child.setDirectories(directories)]),
    ...(askRules.length === 0 ? [] : [child.askAgainFor(askRules)]),
  ]);
}
