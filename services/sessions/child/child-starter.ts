import { isCapacityError, isStorageError } from '../../../protocol/failures.js';
import type { ChildListener, ClaudeChild, ClaudeLauncher, StartOptions } from '../../ports/claude.js';
import type { RequireRoom } from '../../ports/machine.js';
import type { SessionRecord } from '../../ports/records.js';
import { onChildStarted, onNoRoom, onPlaced, onStartCancelled, onStartFailed } from '../machine/decide-child.js';
import { sayStorageFull } from '../machine/dispatch.js';
import { rememberedOptions } from '../machine/remembered-grants.js';
import { nextPrompt } from '../machine/session-state.js';
import type { SessionCore } from '../session-core.js';
import type { ChildSlots } from './child-slots.js';
import type { CurrentChild } from './current-child.js';
import type { LabelKeeper } from './label-keeper.js';
import type { PersistentSteps } from './persistent-steps.js';
import type { Reconciler } from './reconciler.js';

export interface ChildStarterOptions {
  launcher: ClaudeLauncher;
  slots: ChildSlots;
  /** Checked for every child: the prompts waiting for it were accepted, and keep waiting. */
  requireRoom: RequireRoom;
  reconciler: Reconciler;
  labels: LabelKeeper;
  core: SessionCore;
  steps: PersistentSteps;
  current: CurrentChild;
}

interface Attempt {
  afterFailure: boolean;
}

/** Retry interval when the machine lacks resources. */
const NO_ROOM_MS = 5000;

/** Starts a session's children, one at a time, as soon as a slot is free. */
export class ChildStarter {
  readonly #options: ChildStarterOptions;
  #inLine = false;
  #closed = false;
  #launching: Promise<Error | undefined> = Promise.resolve(undefined);

  constructor(options: ChildStarterOptions) {
    this.#options = options;
  }

  start({ delayMs, ...attempt }: Attempt & { delayMs: number }): void {
    this.#options.steps.later('start a child', { afterMs: delayMs, action: () => this.#takeSlot(attempt) });
  }

  /** Starts no more children: later requests are left to the next daemon. Resolves when no start is in progress. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#inLine) this.#leave();
    await this.#launching;
  }

  /** Must be called after every step: a session that no longer needs a child leaves the queue. */
  update(): void {
    if (!this.#inLine || this.#wantedSince !== undefined) return;
    this.#leave();
    this.#cancel();
  }

  /** Acceptance time of the prompt that waits for a child, in epoch milliseconds; undefined when none waits. */
  get #wantedSince(): number | undefined {
    return nextPrompt(this.#options.core.state)?.createdAt;
  }

  /** Without a waiting prompt, a child is started only if a slot is free. */
  #takeSlot(attempt: Attempt): void {
    const { slots, steps, core } = this.#options;
    if (this.#closed) return;
    const since = this.#wantedSince;
    if (since === undefined && !slots.isFree) {
      this.#cancel();
      return;
    }
    this.#inLine = true;
    slots.take({
      id: core.sessionId,
      since: since ?? Number.POSITIVE_INFINITY,
      onTaken: () => {
        this.#inLine = false;
        steps.attempt('start a child', () => this.#start(attempt));
      },
      onQueued: (place) =>
        steps.attempt('record its queue position', () => steps.take((state, now) => onPlaced(state, place, now))),
    });
  }

  #leave(): void {
    this.#inLine = false;
    this.#options.slots.leave(this.#options.core.sessionId);
  }

  #cancel(): void {
    const { steps } = this.#options;
    steps.attempt('cancel a start', () => steps.take(onStartCancelled));
  }

  async #start(attempt: Attempt): Promise<void> {
    const { reconciler, labels, core } = this.#options;
    const isOurs = await reconciler.reconcile();
    await labels.look();
    if (!isOurs || this.#closed) return;
    if (core.record.closed) {
      this.#leave();
      return this.#cancel();
    }
    this.#launching = this.#launch(attempt);
    const failure = await this.#launching;
    if (failure) await this.#onFailed(failure, attempt);
  }

  /** Resolves with the error of a failed launch. */
  async #launch(attempt: Attempt): Promise<Error | undefined> {
    const { launcher, requireRoom, core, steps, current } = this.#options;
    const { listener, ready } = current.newListener();
    let child: ClaudeChild | undefined;
    try {
      await requireRoom();
      const suggestsPrompts = core.isNamed('promptSuggestion');
      const wanted = { ...startOptions(core.record, listener), suggestsPrompts };
      const options = await this.#withConversation(wanted, attempt);
      const withoutTranscript = wanted.resume !== undefined && options.resume === undefined;
      const started = await launcher.start(options);
      child = started;
      current.hold(child);
      const startedChild = { ...options, childId: started.childId, withoutTranscript };
      await steps.takeOrTell((state, now) => onChildStarted(state, startedChild, now));
      ready(true);
      return undefined;
    } catch (error) {
      ready(false);
      await endUnknown(child).catch((failure: unknown) => steps.tellFailed('end an unrecorded child', failure));
      current.hold(undefined);
      this.#leave();
      return error as Error;
    }
  }

  /** A shortage of resources never ends the attempts: the prompts waiting for the child were accepted. */
  async #onFailed(error: Error, attempt: Attempt): Promise<void> {
    const { steps } = this.#options;
    const action = () => (this.#wantedSince === undefined ? this.#cancel() : this.#takeSlot(attempt));
    if (isCapacityError(error)) {
      await steps.take((state, now) => onNoRoom(state, error.message, now));
      steps.tryAgain('start a child', { error, action, afterMs: NO_ROOM_MS });
    } else if (isStorageError(error)) {
      await steps.take(sayStorageFull);
      steps.tryAgain('start a child', { error, action });
    } else await steps.take((state, now) => onStartFailed(state, error.message, now));
  }

  /**
   * A child that died early, or a machine crash, can leave no transcript: its conversation then cannot be resumed, only
   * begun again. A missing file does not prove that, and an existing one does not prove that it can be resumed.
   */
  async #withConversation({ resume, ...options }: StartOptions, { afterFailure }: Attempt): Promise<StartOptions> {
    if (!resume) return options;
    const { launcher, core } = this.#options;
    const { claudeSessionId } = resume;
    const path = core.record.transcript?.path;
    const isThere = await launcher.findTranscript({ claudeSessionId, ...(path !== undefined && { path }) });
    // It branches off the conversation of another session, and would be another conversation without it.
    if (isThere && core.record.ofProgram && resume.fork) {
      return { ...options, resume: { ...resume, path: isThere.path } };
    }
    // If unknown, resuming is tried: the CLI reports the problem itself.
    const isKept =
      (isThere && !afterFailure) ||
      (await launcher.hasConversation(options.workingDirectory, claudeSessionId).catch(() => true));
    return isKept ? { ...options, resume } : options;
  }
}

/** Ends a child that the session will never know. */
async function endUnknown(child: ClaudeChild | undefined): Promise<void> {
  await child?.end();
  await child?.removeFiles();
}

function startOptions(record: SessionRecord, listener: ChildListener): StartOptions {
  const { claudeSessionId, fork = false, resumeAt: at, modelChoice, permissionMode } = record;
  const { allowedTools = [], remembered = [], effort, addedDirectories = [], deniedTools, context } = record;
  const options = rememberedOptions(remembered);
  return {
    sessionId: record.sessionId,
    workingDirectory: record.directory,
    listener,
    allowedTools: [...allowedTools, ...options.allowedTools],
    addDirectories: [...options.addDirectories, ...addedDirectories],
    ...(claudeSessionId !== undefined && { resume: { claudeSessionId, fork, ...(at !== undefined && { at }) } }),
    ...(modelChoice !== undefined && { model: modelChoice }),
    ...(permissionMode !== undefined && { permissionMode }),
    ...(typeof effort === 'string' && { effort }),
    ...(deniedTools && { deniedTools }),
    ...(context !== undefined && { appendedPrompt: context }),
  };
}
