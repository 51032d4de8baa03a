import type { CompanionError } from '../../protocol/error-codes.js';
import { isStorageError, toStorageError } from '../../protocol/failures.js';
import type {
  ChildExit,
  ChildListener,
  ClaudeChild,
  CliLine,
  ControlRequest,
  EffectiveRules,
  OpenBlock,
  UserMessage,
} from '../ports/claude.js';
import type { LimitWindow } from '../ports/records.js';
import { Descendants, DescendantWatch } from './process/descendants.js';
import type { DiskProbe } from './process/disk-probe.js';
import { endChild, watchForEnd } from './process/end-child.js';
import { InputFifo, isTorn } from './process/input-fifo.js';
import { directoryOf, isAlive, type ProcessDirectory, signalEach } from './process/process-identity.js';
import {
  amendProcessRecord,
  isOrphaned,
  type ProcessRecord,
  type RunFiles,
  readProcessRecord,
  readStderrTail,
  removeFolder,
} from './process/process-record.js';
import { CHILD_MARKER, hasMarkedOutside, type Sweep, sweep } from './process/sweep.js';
import { CliQuestions } from './stream/cli-questions.js';
import { ControlChannel, type Refused, readRules, readUsageWindows, refusalOf } from './stream/control-channel.js';
import { DIALOG_KINDS } from './stream/dialogs.js';
import { FactReader, lastWordsOf } from './stream/fact-reader.js';
import { OutputTail } from './stream/output-tail.js';
import { userLine } from './stream/user-line.js';

export interface HeldChildOptions {
  sessionId: string;
  record: ProcessRecord;
  files: RunFiles;
  disk: DiskProbe;
  /** Lines before `processed` have been applied; reading begins at `resume` to rebuild the open messages. */
  processed: number;
  resume: number;
  listener: ChildListener;
  /** Decides only at the first `initialize` of a child (2.1.197 and 2.1.332): an adopted one goes on as it began. */
  suggestsPrompts?: boolean;
  deniedTools?: readonly string[];
  /** Appended to the system prompt; empty: no longer. As above. */
  appendedPrompt?: string | undefined;
  /** Resolves when the process has exited, where the daemon is its parent; without it the process is polled. */
  exited?: Promise<{ code: number | null; signal: string | null }>;
  /** False for a child that had already ended: only its output is read. */
  alive: boolean;
}

/** `mcp_status` is answered in a millisecond, at any time. */
const REACT_MS = 5000;
/** Retry interval after a line could not be stored (disk full). */
const RETRY_MS = 1000;
/** Number of checks of an unchanged partial line after which its rest is considered lost. */
const LOOKS_TORN = 5;
/** Number of checks with a full disk after which output is considered lost. */
const LOOKS_FULL = 2;

/** What the daemon declares in `initialize`. */
const HOST = {
  supportedDialogKinds: DIALOG_KINDS,
  // Without it 2.1.332 leaves out what a subagent in the foreground says.
  forwardSubagentText: true,
  // Without it the progress of a subagent is only its tools. The setting AGENT_PROGRESS_SUMMARIES overrides it.
  agentProgressSummaries: true,
  // Without it an interrupt ends the subagents in the background too (2.1.329, 2.1.332). 2.1.197 does not know it.
  perTaskStopAffordance: true,
};

/**
 * Otherwise a conversation goes on with the system prompt that it began with, whatever a later child is given
 * (2.1.332).
 */
const appending = (appendSystemPrompt: string) => ({ appendSystemPrompt, systemPromptSnapshot: false });

/** A CLI child behind its FIFO and files, started by this daemon or by an earlier one: it treats both alike. */
export class HeldChild implements ClaudeChild {
  readonly childId: string;
  readonly pid: number;
  readonly inputTorn: boolean;
  readonly questions: CliQuestions;
  readonly #options: HeldChildOptions;
  readonly #input: InputFifo | undefined;
  readonly #control: ControlChannel;
  #reader: FactReader;
  #tail: OutputTail;
  #taken: { processed: number; resume: number };
  readonly #descendants: Descendants;
  readonly #descendantWatch: DescendantWatch;
  #endWatch: { close(): void } | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #retried: Promise<void> | undefined;
  /** The message of the last failure that was reported. */
  #trouble: string | undefined;
  /** The permissions given as flags to the running child. */
  #flags: Record<string, readonly string[]> = {};
  #released = false;
  #tornAt: number | undefined;
  #tornLooks = 0;
  /** The bytes of its output when the last message was given. */
  #writtenBefore = 0;
  #fullLooks = 0;
  #ended: Promise<void>;
  #markEnded = () => {};
  #swept: Promise<void> = Promise.resolve();

  constructor(options: HeldChildOptions) {
    this.#options = options;
    this.childId = options.record.childId;
    this.pid = options.record.pid;
    this.inputTorn = isTorn(options.files.stdin);
    this.#taken = { processed: options.processed, resume: options.resume };
    this.#control = new ControlChannel((line) => this.#input?.write(line));
    this.#ended = new Promise((resolve) => {
      this.#markEnded = resolve;
    });
    this.#descendants = new Descendants(options.record);
    this.#descendantWatch = new DescendantWatch({
      descendants: this.#descendants,
      record: (seen) => this.#amend({ seen }),
    });
    this.#reader = this.#newReader();
    this.#tail = this.#newTail();
    try {
      this.#input =
        options.alive && !this.inputTorn ? new InputFifo(options.files.stdin, () => this.#onInputLost()) : undefined;
    } catch (error) {
      this.#tail.close();
      throw error;
    }
    if (!options.exited) this.#descendantWatch.lookNow();
    this.#watchForExit();
    this.questions = new CliQuestions(this.#control, this.#initialize());
    // One that dies first reports that by its exit. Written before its first prompt.
    if (options.deniedTools?.length) this.denyTools(options.deniedTools).catch(() => {});
  }

  sendMessage(message: UserMessage): void {
    // Counted in the file: of a line that was torn a moment ago nothing may have been read yet.
    this.#writtenBefore = this.#tail.written;
    this.#input?.writeLine(userLine(message));
  }

  answerPermission(requestId: string, answer: Record<string, unknown>): void {
    this.#input?.write({
      type: 'control_response',
      response: { subtype: 'success', request_id: requestId, response: answer },
    });
  }

  refuseRequest(refused: Refused): void {
    this.#input?.write(refusalOf(refused));
  }

  directory(): Promise<ProcessDirectory | undefined> {
    return directoryOf(this.pid);
  }

  setModel(model: string): Promise<void> {
    return this.#control.request({ subtype: 'set_model', model });
  }

  /** `host`: it counts as given by the person (2.1.332). */
  rename(title: string): Promise<void> {
    return this.#control.request({ subtype: 'rename_session', title, source: 'host' });
  }

  /** The answer names the mode (2.1.197 and 2.1.332). */
  async setPermissionMode(mode: string): Promise<string> {
    const answer = await this.ask({ subtype: 'set_permission_mode', mode });
    return typeof answer.mode === 'string' ? answer.mode : mode;
  }

  setEffort(level: string | null): Promise<void> {
    return this.#control.request({ subtype: 'apply_flag_settings', settings: { effortLevel: level } });
  }

  setMaxThinkingTokens(tokens: number | null): Promise<void> {
    return this.#control.request({ subtype: 'set_max_thinking_tokens', max_thinking_tokens: tokens });
  }

  /** Rules of the flags precede all allow rules; the deny rules of `--settings` stay (2.1.197 and 2.1.332). */
  askAgainFor(rules: readonly string[]): Promise<void> {
    return this.#flagPermissions({ ask: rules });
  }

  denyTools(rules: readonly string[]): Promise<void> {
    return this.#flagPermissions({ deny: rules });
  }

  /** They need no question from then on (2.1.197 and 2.1.332). */
  allowTools(rules: readonly string[]): Promise<void> {
    return this.#flagPermissions({ allow: rules });
  }

  setDirectories(directories: readonly string[]): Promise<void> {
    return this.#flagPermissions({ additionalDirectories: directories });
  }

  /** The CLI replaces `permissions` as a whole, and merges only the settings beside it (2.1.197 and 2.1.332). */
  #flagPermissions(changes: Record<string, readonly string[]>): Promise<void> {
    this.#flags = { ...this.#flags, ...changes };
    return this.#control.request({ subtype: 'apply_flag_settings', settings: { permissions: this.#flags } });
  }

  rules(withinMs: number): Promise<EffectiveRules | undefined> {
    return readRules(this.#control, withinMs);
  }

  usageWindows(withinMs: number): Promise<LimitWindow[] | undefined> {
    return readUsageWindows(this.#control, withinMs);
  }

  async ask(request: ControlRequest, withinMs?: number): Promise<Record<string, unknown>> {
    const answer = await this.#control.ask(request, withinMs === undefined ? {} : { withinMs });
    return answer ?? {};
  }

  interrupt(withinMs: number): Promise<void> {
    return this.#control.request({ subtype: 'interrupt' }, { withinMs });
  }

  /** A child whose input cannot be written cannot be asked, and counts as responsive. */
  async reacts(): Promise<boolean> {
    if (!this.#input) return true;
    return this.#control.request({ subtype: 'mcp_status' }, { withinMs: REACT_MS }).then(
      () => true,
      (error: CompanionError) => error.code !== 'TIMEOUT',
    );
  }

  async checkOutput(): Promise<'kept' | 'lost'> {
    const torn = this.#tail.tornAt;
    this.#tornLooks = torn !== undefined && torn === this.#tornAt ? this.#tornLooks + 1 : 0;
    this.#tornAt = torn;
    this.#fullLooks = (await hasRoom(this.#options.disk.checkRecent())) ? 0 : this.#fullLooks + 1;
    return this.#tornLooks >= LOOKS_TORN || this.#fullLooks >= LOOKS_FULL ? 'lost' : 'kept';
  }

  openBlocks(): OpenBlock[] {
    return this.#reader.openBlocks();
  }

  drain(): Promise<void> {
    return this.#takeTheRest();
  }

  async hasDescendants(): Promise<boolean> {
    const seen = await this.#descendants.look();
    return seen.some(({ group }) => group !== this.pid) || hasMarkedOutside(this.pid, this.#ofChild);
  }

  async end({ insist = false } = {}): Promise<void> {
    const { record } = this.#options;
    const isAsked = !insist && this.#input !== undefined && (await isAlive(record));
    await endChild({
      identity: record,
      ...(isAsked && { ask: () => this.#askToEnd() }),
      // The session's marker does not identify it: the next child of the session carries it too.
      left: this.#ofChild,
    });
    await this.#ended;
  }

  async removeFiles(): Promise<void> {
    await this.#swept;
    const { files } = this.#options;
    if (!this.#released && readProcessRecord(files)?.childId === this.childId) removeFolder(files);
  }

  release(): void {
    this.#released = true;
    this.#close();
  }

  get #ofChild(): Sweep {
    return { marker: CHILD_MARKER, value: this.childId, descendants: this.#descendants };
  }

  /**
   * The answer is needed however late it arrives: it shows that the child is up, and which requests are still pending.
   */
  #initialize(): Promise<Record<string, unknown>> {
    if (!this.#input) return new Promise(() => {});
    const { suggestsPrompts: promptSuggestions = false, appendedPrompt } = this.#options;
    const wanted = { ...HOST, promptSuggestions, ...(appendedPrompt !== undefined && appending(appendedPrompt)) };
    const answer = this.ask({ subtype: 'initialize', ...wanted }, Number.POSITIVE_INFINITY);
    // A child that does not agree does not count as up, and one that dies first is reported by its exit.
    answer.catch(() => {});
    return answer;
  }

  #askToEnd(): void {
    // The answers do not matter: a child that does not end by itself is terminated.
    this.interrupt(REACT_MS).catch(() => {});
    // As above.
    this.#control.request({ subtype: 'end_session' }).catch(() => {});
  }

  /**
   * The written data is lost, and so is all that would follow: the child ends, and its input is given to the next one.
   * A child that has just ended reports that itself.
   */
  #onInputLost(): void {
    if (!this.#released) void signalEach([this.#options.record], 'SIGKILL');
  }

  #amend(more: Partial<ProcessRecord>): void {
    amendProcessRecord(this.#options.files, this.childId, { ...more, conversation: this.#descendants.conversation });
  }

  #newReader(): FactReader {
    return new FactReader({
      childId: this.childId,
      isTaken: (start) => this.#options.listener.isTaken(start),
      wasTornBefore: (offset) => offset < this.#writtenBefore,
      onControlResponse: (response) => this.#control.receive(response),
      onCapabilities: (told) => this.questions.take(told),
    });
  }

  #newTail(): OutputTail {
    const { files, listener } = this.#options;
    return new OutputTail({
      path: files.stdout,
      offset: this.#taken.resume,
      onLines: async (raw) => {
        const reader = this.#reader;
        const lines = raw.map((line) => reader.read(line)).filter(({ end }) => end > this.#taken.processed);
        if (lines.length === 0) return;
        this.#watchDescendants(lines);
        await listener.onLines(lines);
        this.#take(lines);
      },
      onError: (error) => this.#readAgainLater(error),
    });
  }

  #watchDescendants(lines: CliLine[]): void {
    for (const { facts } of lines) for (const fact of facts) this.#descendantWatch.take(fact);
  }

  #take(lines: CliLine[]): void {
    const last = lines.at(-1);
    if (last) this.#taken = { processed: last.end, resume: last.resume };
    this.#trouble = undefined;
  }

  /** A line that could not be stored is read again by a fresh reader, from the end of the last stored line. */
  #readAgainLater(error: unknown): void {
    if (this.#released) return;
    const { message } = error as Error;
    // A disk can stay full for days.
    if (message !== this.#trouble) this.#options.listener.onTrouble(error);
    this.#trouble = message;
    this.#retried = new Promise((resolve) => {
      this.#retryTimer = setTimeout(() => {
        this.#retried = undefined;
        this.#readAgain();
        resolve();
      }, RETRY_MS);
    });
  }

  #readAgain(): void {
    try {
      this.#reader = this.#newReader();
      this.#tail = this.#newTail();
    } catch (error) {
      this.#readAgainLater(error);
    }
  }

  #watchForExit(): void {
    const { exited, record } = this.#options;
    if (exited) void exited.then((exit) => this.#finish(exit));
    else this.#endWatch = watchForEnd(record, () => void this.#finish({ code: null, signal: null }));
  }

  async #finish(exit: Pick<ChildExit, 'code' | 'signal'>): Promise<void> {
    await this.#takeTheRest();
    const outputLost = this.#fullLooks > 0 || !(await hasRoom(this.#options.disk.check()));
    if (this.#released) return;
    const { files, listener } = this.#options;
    const cut = this.#reader.cutBlocks();
    const lastWords = lastWordsOf([readStderrTail(files), this.#reader.lastWords, this.#tail.unfinished]);
    this.#close();
    this.#swept = sweep(this.#ofChild);
    const orphaned = isOrphaned(files);
    listener.onExit({ ...exit, outputLost, orphaned, lastWords }, cut);
    this.#markEnded();
    // The caller that removes its files gets the failure.
    await this.#swept.catch(() => {});
  }

  async #takeTheRest(): Promise<void> {
    do {
      await this.#retried;
      await this.#tail.drain();
    } while (this.#retried && !this.#released);
  }

  #close(): void {
    this.#endWatch?.close();
    this.#descendantWatch.close();
    clearTimeout(this.#retryTimer);
    this.#tail.close();
    this.#input?.close();
    this.#control.close();
  }
}

async function hasRoom(checked: Promise<void>): Promise<boolean> {
  try {
    await checked;
    return true;
  } catch (error) {
    return !isStorageError(toStorageError('', error));
  }
}
