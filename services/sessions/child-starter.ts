import { isCapacityError } from '../../protocol/capacity-error.js';
import { isStorageError } from '../../protocol/storage-error.js';
import type { ChildListener, ClaudeChild, ClaudeLauncher, StartOptions } from '../ports/claude.js';
import type { RequireRoom } from '../ports/machine.js';
import type { SessionRecord } from '../ports/records.js';
import type { ChildPlaces } from './child-places.js';
import { onChildStarted, onNoRoom, onPlaced, onStartCancelled, onStartFailed } from './decide-child.js';
import { sayStorageFull } from './lost-output.js';
import type { PersistentSteps } from './persistent-steps.js';
import type { Reconciler } from './reconciler.js';
import { rememberedOptions } from './remembered-permissions.js';

export interface ChildStarterOptions {
  launcher: ClaudeLauncher;
  places: ChildPlaces;
  /** Asked for every child: what waits for it was accepted, and waits on. */
  requireRoom: RequireRoom;
  reconciler: Reconciler;
  steps: PersistentSteps;
  record: () => SessionRecord;
  /** Whether a prompt waits for a child. */
  isWanted: () => boolean;
  /** Takes what the child says; `ready` tells whether the session knows of it. */
  newListener: () => { listener: ChildListener; ready: (isKnown: boolean) => void };
  /** It lives: called before the session knows of it, and again with undefined when it is not to stay. */
  onChild: (child: ClaudeChild | undefined) => void;
}

interface Attempt {
  afterFailure: boolean;
}

/** How soon a machine that had nothing left may have something again. */
const NO_ROOM_MS = 5000;

/** Starts children of a session, one at a time, as soon as there is a place for one. */
export class ChildStarter {
  readonly #options: ChildStarterOptions;
  #inLine = false;

  constructor(options: ChildStarterOptions) {
    this.#options = options;
  }

  start({ delayMs, ...attempt }: Attempt & { delayMs: number }): void {
    this.#options.steps.later('start a child', { afterMs: delayMs, action: () => this.#takePlace(attempt) });
  }

  /** To be called after every step: who waits for nothing any more gives up its place in the line. */
  update(): void {
    if (!this.#inLine || this.#options.isWanted()) return;
    this.#leave();
    this.#cancel();
  }

  /** Who has no prompt for it gets a child where there is a place, and does not wait for one. */
  #takePlace(attempt: Attempt): void {
    const { places, steps, record, isWanted } = this.#options;
    if (!isWanted() && !places.isFree) {
      this.#cancel();
      return;
    }
    this.#inLine = true;
    places.take({
      id: record().sessionId,
      onTaken: () => {
        this.#inLine = false;
        steps.attempt('start a child', () => this.#start(attempt));
      },
      onPlace: (place) =>
        steps.attempt('tell its place', () => steps.take((state, now) => onPlaced(state, place, now))),
    });
  }

  #leave(): void {
    this.#inLine = false;
    this.#options.places.leave(this.#options.record().sessionId);
  }

  #cancel(): void {
    const { steps } = this.#options;
    steps.attempt('cancel a start', () => steps.take(onStartCancelled));
  }

  async #start(attempt: Attempt): Promise<void> {
    const { launcher, requireRoom, reconciler, record, steps, onChild, newListener } = this.#options;
    if (!(await reconciler.reconcile())) return;
    if (record().closed) {
      this.#leave();
      return this.#cancel();
    }
    const { listener, ready } = newListener();
    let child: ClaudeChild | undefined;
    try {
      await requireRoom();
      const options = startOptions(record(), listener);
      const started = await launcher.start(await this.#withConversation(options, attempt));
      child = started;
      onChild(child);
      await steps.takeOrTell((state, now) => onChildStarted(state, started.childId, now));
      ready(true);
    } catch (error) {
      ready(false);
      await child?.end();
      await child?.removeFiles();
      onChild(undefined);
      this.#leave();
      await this.#onFailed(error as Error, attempt);
    }
  }

  /** For want of room a start is not given up: what waits for it was accepted. */
  async #onFailed(error: Error, attempt: Attempt): Promise<void> {
    const { steps } = this.#options;
    const action = () => this.#takePlace(attempt);
    if (isCapacityError(error)) {
      await steps.take((state, now) => onNoRoom(state, error.message, now));
      steps.tryAgain('start a child', { error, action, afterMs: NO_ROOM_MS });
    } else if (isStorageError(error)) {
      await steps.take(sayStorageFull);
      steps.tryAgain('start a child', { error, action });
    } else await steps.take((state, now) => onStartFailed(state, error.message, now));
  }

  /** A child that ended early may have left no transcript: its conversation cannot be resumed, only begun again. */
  async #withConversation({ resume, ...options }: StartOptions, { afterFailure }: Attempt): Promise<StartOptions> {
    if (!resume) return options;
    const { launcher } = this.#options;
    const { claudeSessionId } = resume;
    const look = afterFailure
      ? launcher.hasConversation(options.workingDirectory, claudeSessionId)
      : launcher.findTranscript({ claudeSessionId });
    return (await look.catch(() => true)) ? { ...options, resume } : options;
  }
}

function startOptions(record: SessionRecord, listener: ChildListener): StartOptions {
  const { claudeSessionId, fork = false, modelChoice, permissionMode, allowedTools = [], remembered = [] } = record;
  const options = rememberedOptions(remembered);
  return {
    sessionId: record.sessionId,
    workingDirectory: record.directory,
    listener,
    allowedTools: [...allowedTools, ...options.allowedTools],
    addDirectories: options.addDirectories,
    ...(claudeSessionId !== undefined && { resume: { claudeSessionId, fork } }),
    ...(modelChoice !== undefined && { model: modelChoice }),
    ...(permissionMode !== undefined && { permissionMode }),
  };
}
