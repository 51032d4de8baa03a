import { isCapacityError } from '../../protocol/capacity-error.js';
import { CompanionError } from '../../protocol/error-codes.js';
import type { ChildListener, ClaudeChild, ClaudeLauncher, CliLine } from '../ports/claude.js';
import type { Journal } from '../ports/journal.js';
import type { Log } from '../ports/log.js';
import type { RequireRoom } from '../ports/machine.js';
import type { SessionRecord } from '../ports/records.js';
import type { ChildSlots } from './child-slots.js';
import { ChildStarter } from './child-starter.js';
import { type Exited, onChildAdopted, onChildExited, onNoChild, onTornChildRead } from './decide-child.js';
import { decideReadable } from './decide-readable.js';
import { onInterruptIgnored, onSilence } from './decide-silence.js';
import type { Effect } from './effects.js';
import { findKnownTools } from './find-known-tools.js';
import { onOutputLost } from './lost-output.js';
import { newResumption } from './new-resumption.js';
import { OutputGuard } from './output-guard.js';
import { type Decide, PersistentSteps } from './persistent-steps.js';
import { PromptReader } from './prompt-reader.js';
import type { Reconciler } from './reconciler.js';
import { openPermissions, queuedPrompts, type SessionState } from './session-state.js';
import { StartedPrompts } from './started-prompts.js';
import { withKnownTools } from './tool-ids.js';
import { TurnWatch } from './turn-watch.js';

export interface ChildKeeperOptions {
  launcher: ClaudeLauncher;
  log: Log;
  slots: ChildSlots;
  requireRoom: RequireRoom;
  state: () => SessionState;
  /** Runs a step of the session, after earlier ones. Rejects when it cannot be written. */
  step: (decide: Decide) => Promise<void>;
  /** Resolves when the steps so far survive a machine crash as well. */
  sync: () => Promise<void>;
  /** Knows the tools and messages from before this daemon started, and the contents of prompts. */
  journal: Pick<Journal, 'isToolTaken' | 'findTool' | 'isMessageTaken' | 'readContents'>;
  reconciler: Reconciler;
}

type ChildEffect = Exclude<Effect, { kind: 'forget' }>;

/** Time for an interrupted turn to end once the CLI has accepted the interrupt, in milliseconds. */
const TURN_END_MS = 30_000;

/** Applies a session's effects to its child, and reports the child's output to the session. */
export class ChildKeeper {
  readonly #options: ChildKeeperOptions;
  readonly #steps: PersistentSteps;
  readonly #starter: ChildStarter;
  readonly #guard: OutputGuard;
  readonly #watch: TurnWatch;
  readonly #begun: StartedPrompts;
  readonly #prompts: PromptReader;
  #released = false;
  child: ClaudeChild | undefined;

  constructor(options: ChildKeeperOptions) {
    this.#options = options;
    const { sessionId, child } = options.state().record;
    if (child) options.slots.hold(sessionId);
    this.#steps = new PersistentSteps({ ...options, sessionId });
    this.#begun = new StartedPrompts({ ...options, steps: this.#steps, record: () => this.#record });
    this.#prompts = new PromptReader({ ...options, steps: this.#steps });
    const isWorking = () => options.state().turn !== null && openPermissions(options.state()).length === 0;
    this.#guard = new OutputGuard({ isWorking, onLost: () => this.#steps.takeOrTell(onOutputLost) });
    this.#watch = new TurnWatch({
      isWorking,
      onSilence: (silence) => options.step((state, now) => onSilence(state, silence, now)),
    });
    this.#starter = new ChildStarter({
      ...options,
      steps: this.#steps,
      record: () => this.#record,
      wantedSince: () => queuedPrompts(options.state())[0]?.createdAt,
      newListener: () => this.#newListener(),
      onChild: (started) => this.#hold(started),
    });
  }

  run(effect: ChildEffect): void {
    switch (effect.kind) {
      case 'startChild':
        this.#starter.start(effect);
        return;
      case 'endChild':
        this.#steps.attempt('end the child', () => this.child?.end({ insist: effect.insist }));
        return;
      case 'sendMessage':
        this.#log('prompt given', { promptId: effect.promptId, requestId: effect.requestId });
        this.child?.sendMessage(effect.message);
        return;
      case 'readPrompts':
        this.#prompts.read(effect.prompts);
        return;
      case 'answerPermission':
        this.child?.answerPermission(effect.requestId, effect.answer);
        return;
      case 'refuseRequest':
        this.child?.refuseRequest(effect);
        return;
      case 'adjustChild':
        this.#adjust(effect, this.child);
        return;
      case 'forgetFileRules':
        this.#steps.attempt('take rules out of the settings of the directory', () =>
          this.#options.launcher.forgetFileRules(this.#record.directory, effect.rules),
        );
        return;
      case 'interrupt':
        this.#steps.attempt('interrupt', () => this.#interrupt(effect));
        return;
      case 'checkTranscript':
        this.#begun.find(effect.uuids);
        return;
    }
  }

  /** Must be called after every step. */
  update(): void {
    if (this.#released) return;
    this.#starter.update();
    this.#guard.update(this.child);
    this.#watch.update(this.child);
  }

  /** Adopts an earlier daemon's child, or learns that it is gone. Resolves early on a shortage, and retries. */
  recover(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#takeUp(resolve).then(resolve, (error: Error) => {
        if (!isCapacityError(error)) return reject(error);
        this.#steps.tryAgain('take up a child', { error, action: () => this.recover() });
        resolve();
      });
    });
  }

  async #takeUp(onWaiting: () => void): Promise<void> {
    const { launcher } = this.#options;
    const { sessionId, child } = this.#record;
    if (!child) {
      await launcher.discard(sessionId);
      await this.#steps.take(onNoChild, onWaiting);
      return;
    }
    const { listener, ready } = this.#newListener();
    const adopted = await launcher.adopt({ sessionId, ...child, listener });
    if (!adopted) {
      const exit = { code: null, signal: null, lastWords: '' };
      await launcher.discard(sessionId);
      this.#options.slots.leave(sessionId);
      await this.#steps.take(
        (state, now) => onChildExited(state, this.#exited({ exit, cut: [] }, now), now),
        onWaiting,
      );
      return;
    }
    this.child = adopted;
    this.#log('child adopted', { pid: adopted.pid });
    const { inputTorn } = adopted;
    await this.#steps.take((state, now) => onChildAdopted(state, { inputTorn }, now), onWaiting);
    ready(true);
    // When its output is reread from the beginning (the journal lost its end), no prompt can come in between.
    if (inputTorn || (child.resume === 0 && child.processed > 0)) await adopted.drain();
    // It can have died meanwhile, and another can have been started.
    if (this.child !== adopted) return;
    this.#hold(adopted);
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
    await this.#starter.close();
    this.#released = true;
    this.#steps.close();
    this.#stopWatching();
    this.child?.release();
  }

  get #record(): SessionRecord {
    return this.#options.state().record;
  }

  #hold(child: ClaudeChild | undefined): void {
    this.child = child;
    this.#stopWatching();
    if (!child) return;
    this.#log('child held', { pid: child.pid });
    this.update();
  }

  #stopWatching(): void {
    this.#guard.close();
    this.#watch.close();
  }

  async #interrupt({ withinMs, turnStartedAt }: Extract<Effect, { kind: 'interrupt' }>): Promise<void> {
    const { child } = this;
    if (!child) return;
    const insist = async () => {
      // This process can have been suspended itself, and have read nothing meanwhile.
      await child.drain();
      if (this.child !== child) return;
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

  /** Retried until the child has agreed or is gone: it must not continue with a revoked grant. */
  #adjust(effect: Extract<Effect, { kind: 'adjustChild' }>, child: ClaudeChild | undefined): void {
    if (!child || this.child !== child) return;
    adjust(child, effect).catch((error: Error) =>
      this.#steps.tryAgain('adjust the child', { error, action: () => this.#adjust(effect, child) }),
    );
  }

  /** Lines wait until the session knows the child; with `ready(false)` it never will. */
  #newListener(): { listener: ChildListener; ready: (isKnown: boolean) => void } {
    let ready = (_isKnown: boolean) => {};
    const known = new Promise<boolean>((resolve) => {
      ready = resolve;
    });
    let ended: ClaudeChild | undefined;
    const onExit: ChildListener['onExit'] = (exit, cut) => {
      const told = known.then(async (isKnown) => {
        if (!isKnown) return;
        ended ??= this.child;
        await this.#onExit({ exit, cut });
        this.#removeFiles(ended);
      });
      told.catch((error: Error) =>
        this.#steps.tryAgain('record the end of the child', { error, action: () => onExit(exit, cut) }),
      );
    };
    const onLines = async (lines: CliLine[]) => {
      if (await known) await this.#takeLines(lines);
    };
    const isTaken: ChildListener['isTaken'] = (start) =>
      this.#options.journal.isMessageTaken(this.#record.sessionId, start);
    const onTrouble = (error: unknown) => this.#steps.tellFailed('take what the child wrote', error);
    return { listener: { isTaken, onLines, onTrouble, onExit }, ready };
  }

  async #onExit(ended: Omit<Exited, 'resumption'>): Promise<void> {
    const { reconciler, slots } = this.#options;
    const { exit, cut } = ended;
    reconciler.childEnded(exit, cut);
    this.#stopWatching();
    this.child = undefined;
    this.#log('child ended', { code: exit.code, signal: exit.signal });
    // Before the step, which can request a slot again: others have waited longer.
    slots.leave(this.#record.sessionId);
    await this.#steps.takeOrTell((state, now) => onChildExited(state, this.#exited(ended, now), now));
    void reconciler.reconcile();
  }

  #exited(ended: Omit<Exited, 'resumption'>, now: number): Exited {
    return { ...ended, resumption: newResumption(this.#record, now) };
  }

  /** Its output exists only in its files until the journal is on the disk. */
  #removeFiles(ended: ClaudeChild | undefined): void {
    this.#steps.attempt('remove the files of the child', async () => {
      await this.#options.sync();
      await ended?.removeFiles();
    });
  }

  async #takeLines(lines: CliLine[]): Promise<void> {
    // An answer to a request of the daemon is no sign of work.
    if (lines.some(({ facts }) => facts.some(({ kind }) => kind !== 'initialized'))) this.#watch.heard();
    const { journal, state } = this.#options;
    const known = await findKnownTools({ lines, state: state(), journal });
    const faults: unknown[] = [];
    const onFault = (error: unknown) => void faults.push(error);
    await this.#options.step((before, now) => decideReadable(withKnownTools(before, known), lines, { now, onFault }));
    for (const fault of faults) this.#steps.tellFailed('understand a line of the child', fault);
  }

  #log(message: string, fields: Record<string, unknown>): void {
    this.#options.log.info(message, { sessionId: this.#record.sessionId, ...fields });
  }
}

async function adjust(child: ClaudeChild, { askRules, mode, model }: Extract<Effect, { kind: 'adjustChild' }>) {
  await Promise.all([
    ...(model === undefined ? [] : [child.setModel(model)]),
    ...(mode === undefined ? [] : [child.setPermissionMode(mode)]),
    ...(askRules.length === 0 ? [] : [child.askAgainFor(askRules)]),
  ]);
}
