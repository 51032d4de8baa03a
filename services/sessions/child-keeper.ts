import { isCapacityError } from '../../protocol/capacity-error.js';
import { isStorageError } from '../../protocol/storage-error.js';
import type { ChildListener, ClaudeChild, ClaudeLauncher, CliLine, StartOptions } from '../ports/claude.js';
import type { Log } from '../ports/log.js';
import type { SessionRecord } from '../ports/records.js';
import {
  onChildAdopted,
  onChildExited,
  onChildStarted,
  onStartCancelled,
  onStartFailed,
  onTornChildRead,
  onTranscriptChecked,
} from './decide-child.js';
import { decideLines, nameTools } from './decide-fact.js';
import type { Step } from './draft.js';
import type { Effect } from './effects.js';
import { onOutputLost, sayStorageFull } from './lost-output.js';
import { OutputGuard } from './output-guard.js';
import type { Reconciler } from './reconciler.js';
import { rememberedOptions } from './remembered-permissions.js';
import type { SessionState } from './session-state.js';

export interface ChildKeeperOptions {
  launcher: ClaudeLauncher;
  log: Log;
  record: () => SessionRecord;
  /** Takes a step of the session, after those before it. Rejects when it could not be written. */
  step: (decide: Decide) => Promise<void>;
  /** Resolves when the steps taken survive the machine as well. */
  sync: () => Promise<void>;
  /** The name of a tool that was used before this daemon came. */
  toolName: (toolId: string) => Promise<string | undefined>;
  hasTool: (toolId: string) => boolean;
  /** Whether a turn runs and does not wait for a person. */
  isWorking: () => boolean;
  reconciler: Reconciler;
}

type Decide = (state: SessionState, now: number) => Step;

type ChildEffect = Exclude<Effect, { kind: 'forget' }>;

const RETRY_MS = 1000;

/** Does what a session wants done to its child, and tells the session what the child does. */
export class ChildKeeper {
  readonly #options: ChildKeeperOptions;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #guard: OutputGuard;
  #onWaiting = () => {};
  #released = false;
  #stopping = false;
  child: ClaudeChild | undefined;

  constructor(options: ChildKeeperOptions) {
    this.#options = options;
    this.#guard = new OutputGuard({ isWorking: options.isWorking, onLost: () => this.#stepOrTell(onOutputLost) });
  }

  run(effect: ChildEffect): void {
    switch (effect.kind) {
      case 'startChild':
        if (!this.#stopping) this.#later(effect.delayMs, () => this.#start(effect.afterFailure));
        return;
      case 'endChild':
        this.#attempt('end the child', async () => this.child?.end());
        return;
      case 'sendMessage':
        this.#log('prompt given', { promptId: effect.promptId, requestId: effect.requestId });
        this.child?.sendMessage(effect.message);
        return;
      case 'answerPermission':
        this.child?.answerPermission(effect.requestId, effect.answer);
        return;
      case 'refuseRequest':
        this.child?.refuseRequest(effect.requestId, effect.reason);
        return;
      case 'interrupt':
        this.#attempt('interrupt', async () => this.child?.interrupt());
        return;
      case 'checkTranscript':
        this.#attempt('read the transcript', () => this.#checkTranscript(effect.uuids));
        return;
    }
  }

  /** Takes up the child of an earlier daemon, or learns that it is gone. Resolves early when the disk is full; it goes on when there is room. */
  recover(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#onWaiting = resolve;
      this.#takeUp().then(resolve, reject);
    });
  }

  async #takeUp(): Promise<void> {
    const { launcher, record } = this.#options;
    const { sessionId, child } = record();
    if (!child) {
      await launcher.discard(sessionId);
      await this.#stepWhenRoom(onStartCancelled);
      return;
    }
    const { listener, ready } = this.#newListener();
    const adopted = await launcher.adopt({ sessionId, ...child, listener });
    if (!adopted) {
      const exit = { code: null, signal: null, stderrTail: '' };
      await launcher.discard(sessionId);
      await this.#stepWhenRoom((state, now) => onChildExited(state, { exit, cut: [] }, now));
      return;
    }
    this.child = adopted;
    this.#log('child adopted', { pid: adopted.pid });
    const { inputTorn } = adopted;
    await this.#stepWhenRoom((state, now) => onChildAdopted(state, { inputTorn }, now));
    ready(true);
    // Where its output is read anew from the beginning (the journal has lost the end of it), no prompt may come between.
    if (inputTorn || (child.resume === 0 && child.processed > 0)) await adopted.drain();
    this.#guard.watch(adopted);
    if (!inputTorn) return;
    const answering = adopted.openBlocks().some(({ parentToolUseId }) => parentToolUseId === undefined);
    await this.#stepWhenRoom((state, now) => onTornChildRead(state, answering, now));
  }

  /** What is asked for from here on is left to the next daemon. */
  startNoMore(): void {
    this.#stopping = true;
  }

  release(): void {
    this.#released = true;
    this.#guard.close();
    for (const timer of this.#timers) clearTimeout(timer);
    this.child?.release();
  }

  async #start(afterFailure: boolean): Promise<void> {
    const { launcher, step, record } = this.#options;
    if (!(await this.#options.reconciler.reconcile())) return;
    if (record().closed) return this.#stepWhenRoom(onStartCancelled);
    const { listener, ready } = this.#newListener();
    try {
      const options = startOptions(record(), listener);
      const child = await launcher.start(afterFailure ? await this.#withConversation(options) : options);
      this.child = child;
      this.#log('child started', { pid: child.pid });
      await step((state, now) => onChildStarted(state, child.childId, now));
      ready(true);
      this.#guard.watch(child);
    } catch (error) {
      ready(false);
      await this.child?.end();
      await this.child?.removeFiles();
      this.child = undefined;
      await this.#onStartFailed(error as Error, afterFailure);
    }
  }

  /** For want of room a start is not given up: what waits for it was accepted. */
  async #onStartFailed(error: Error, afterFailure: boolean): Promise<void> {
    if (isCapacityError(error)) return this.#tryAgain('start a child', error, () => this.#start(afterFailure));
    if (!isStorageError(error)) return this.#stepWhenRoom((state, now) => onStartFailed(state, error.message, now));
    await this.#options.step(sayStorageFull);
    this.#tryAgain('start a child', error, () => this.#start(afterFailure));
  }

  /** A child that died early may have left no transcript: its conversation cannot be resumed, only begun again. */
  async #withConversation({ resume, ...options }: StartOptions): Promise<StartOptions> {
    if (!resume) return options;
    const { launcher } = this.#options;
    const exists = await launcher.hasConversation(options.workingDirectory, resume.claudeSessionId).catch(() => true);
    return exists ? { ...options, resume } : options;
  }

  async #checkTranscript(uuids: string[]): Promise<void> {
    const found = await this.#findBegun(uuids).catch((error: Error) => {
      // Rather a prompt that the person has to send again than one that runs twice.
      this.#options.log.warn('could not read the transcript', { error: error.message });
      return new Set(uuids);
    });
    await this.#stepWhenRoom((state, now) => onTranscriptChecked(state, found, now));
  }

  async #findBegun(uuids: string[]): Promise<Set<string>> {
    const { launcher, record } = this.#options;
    const { directory: workingDirectory, claudeSessionId } = record();
    if (!claudeSessionId) return new Set();
    return launcher.findInTranscript({ workingDirectory, claudeSessionId, uuids });
  }

  /** Tells whoever is connected why a step cannot be written. */
  async #stepOrTell(decide: Decide): Promise<void> {
    try {
      await this.#options.step(decide);
    } catch (error) {
      if (isStorageError(error)) await this.#options.step(sayStorageFull);
      throw error;
    }
  }

  /** For steps that nobody asks for a second time: a full disk delays them. */
  async #stepWhenRoom(decide: Decide): Promise<void> {
    try {
      await this.#stepOrTell(decide);
    } catch (error) {
      if (!isStorageError(error)) throw error;
      this.#onWaiting();
      await new Promise<void>((resolve) => this.#tryAgain('record a step', error as Error, resolve));
      await this.#stepWhenRoom(decide);
    }
  }

  /** Lines wait until the session knows of the child; with `ready(false)` it never will. */
  #newListener(): { listener: ChildListener; ready: (isKnown: boolean) => void } {
    let ready = (_isKnown: boolean) => {};
    const known = new Promise<boolean>((resolve) => {
      ready = resolve;
    });
    let ended: ClaudeChild | undefined;
    const listener: ChildListener = {
      onLines: async (lines) => {
        if (await known) await this.#takeLines(lines);
      },
      onExit: (exit, cut) => {
        const told = known.then(async (isKnown) => {
          if (!isKnown) return;
          this.#options.reconciler.childEnded(exit, cut);
          this.#guard.close();
          ended ??= this.child;
          this.child = undefined;
          this.#log('child ended', { code: exit.code, signal: exit.signal });
          await this.#stepOrTell((state, now) => onChildExited(state, { exit, cut }, now));
          void this.#options.reconciler.reconcile();
        });
        told
          .then(() => this.#removeFiles(ended))
          .catch((error: Error) =>
            this.#tryAgain('record the end of the child', error, () => listener.onExit(exit, cut)),
          );
      },
    };
    return { listener, ready };
  }

  /** What it said is only in its files until the disk has the journal. */
  #removeFiles(ended: ClaudeChild | undefined): void {
    this.#attempt('remove the files of the child', async () => {
      await this.#options.sync();
      await ended?.removeFiles();
    });
  }

  async #takeLines(lines: CliLine[]): Promise<void> {
    const names = await this.#missingToolNames(lines);
    await this.#options.step((state, now) => decideLines(names.size > 0 ? nameTools(state, names) : state, lines, now));
  }

  async #missingToolNames(lines: CliLine[]): Promise<Map<string, string>> {
    const facts = lines.flatMap((line) => line.facts);
    if (!facts.some(({ kind }) => kind === 'toolResult')) return new Map();
    const used = new Set(
      facts.flatMap((fact) => (fact.kind === 'block' && 'id' in fact.content ? fact.content.id : [])),
    );
    const names = new Map<string, string>();
    for (const fact of facts) {
      if (fact.kind !== 'toolResult' || used.has(fact.toolId) || this.#options.hasTool(fact.toolId)) continue;
      const name = await this.#options.toolName(fact.toolId);
      if (name !== undefined) names.set(fact.toolId, name);
    }
    return names;
  }

  #log(message: string, fields: Record<string, unknown>): void {
    this.#options.log.info(message, { sessionId: this.#options.record().sessionId, ...fields });
  }

  #attempt(what: string, action: () => Promise<void> | undefined): void {
    const { log, record } = this.#options;
    Promise.resolve(action()).catch((error: Error) => {
      log.warn(`could not ${what}`, { sessionId: record().sessionId, error: error.message });
    });
  }

  #tryAgain(what: string, error: Error, action: () => void | Promise<void>): void {
    const { log, record } = this.#options;
    log.warn(`could not ${what}`, { sessionId: record().sessionId, error: error.message });
    this.#later(RETRY_MS, action);
  }

  #later(delayMs: number, action: () => void | Promise<void>): void {
    if (this.#released) return;
    if (delayMs === 0) {
      this.#attempt('start a child', async () => action());
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#attempt('start a child', async () => action());
    }, delayMs);
    this.#timers.add(timer);
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
