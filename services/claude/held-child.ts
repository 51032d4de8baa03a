import { isStorageError, toStorageError } from '../../protocol/storage-error.js';
import type { ChildExit, ChildListener, ClaudeChild, CliLine, OpenBlock, UserMessage } from '../ports/claude.js';
import { ControlChannel } from './control-channel.js';
import { FactReader } from './fact-reader.js';
import { InputFifo, isTorn } from './input-fifo.js';
import { OutputTail } from './output-tail.js';
import { isAlive, type ProcessIdentity } from './process-identity.js';
import { type RunFiles, readStderrTail } from './process-record.js';
import { requireRoom } from './room.js';
import { CHILD_MARKER, SESSION_MARKER, signalExactly, sweep, waitForEnd } from './sweep.js';

export interface HeldChildOptions {
  sessionId: string;
  childId: string;
  identity: ProcessIdentity;
  files: RunFiles;
  /** Lines before `processed` have had their effect; reading begins at `resume` to rebuild the open messages. */
  processed: number;
  resume: number;
  listener: ChildListener;
  /** Resolves when the process has exited, where we can know; without it the process is polled. */
  exited?: Promise<{ code: number | null; signal: string | null }>;
  /** False for one that had ended before we came: only what it wrote is taken. */
  alive: boolean;
}

/** How often an adopted process, which sends us no exit, is looked at. */
const ALIVE_POLL_MS = 40;
/** After a line could not be taken (disk full), when to try again. */
const RETRY_MS = 1000;
/** After so many looks at half a line that does not grow, its rest will not come. */
const LOOKS_TORN = 5;
/** After so many looks at a full disk, something was lost. */
const LOOKS_FULL = 2;
const GRACEFUL_END_MS = 3000;
const TERM_END_MS = 5000;

/** A CLI child behind its FIFO and files, started by this daemon or by an earlier one: from here on there is no difference. */
export class HeldChild implements ClaudeChild {
  readonly childId: string;
  readonly pid: number;
  readonly inputTorn: boolean;
  readonly #options: HeldChildOptions;
  readonly #input: InputFifo | undefined;
  readonly #control: ControlChannel;
  #reader: FactReader;
  #tail: OutputTail;
  #taken: { processed: number; resume: number };
  #aliveTimer: NodeJS.Timeout | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #retried: Promise<void> | undefined;
  #released = false;
  #tornAt: number | undefined;
  #tornLooks = 0;
  #fullLooks = 0;
  #ended: Promise<void>;
  #markEnded = () => {};

  constructor(options: HeldChildOptions) {
    this.#options = options;
    this.childId = options.childId;
    this.pid = options.identity.pid;
    this.inputTorn = isTorn(options.files.stdin);
    this.#taken = { processed: options.processed, resume: options.resume };
    this.#control = new ControlChannel((line) => this.#input?.write(line));
    this.#input = options.alive && !this.inputTorn ? new InputFifo(options.files.stdin, () => {}) : undefined;
    this.#ended = new Promise((resolve) => {
      this.#markEnded = resolve;
    });
    this.#reader = this.#newReader();
    this.#tail = this.#newTail();
    this.#watchForExit();
    if (this.#input) this.#control.request({ subtype: 'initialize' }).catch(() => {});
  }

  sendMessage({ uuid, content }: UserMessage): void {
    const blocks = content.map((block) =>
      block.type === 'text'
        ? block
        : { type: 'image', source: { type: 'base64', media_type: block.mediaType, data: block.data } },
    );
    const message = { role: 'user', content: blocks };
    this.#input?.write({ type: 'user', uuid, session_id: '', parent_tool_use_id: null, message });
  }

  answerPermission(requestId: string, answer: Record<string, unknown>): void {
    this.#input?.write({
      type: 'control_response',
      response: { subtype: 'success', request_id: requestId, response: answer },
    });
  }

  refuseRequest(requestId: string, reason: string): void {
    this.#input?.write({
      type: 'control_response',
      response: { subtype: 'error', request_id: requestId, error: reason },
    });
  }

  setModel(model: string): Promise<void> {
    return this.#control.request({ subtype: 'set_model', model });
  }

  setPermissionMode(mode: string): Promise<void> {
    return this.#control.request({ subtype: 'set_permission_mode', mode });
  }

  interrupt(): Promise<void> {
    return this.#control.request({ subtype: 'interrupt' });
  }

  async checkOutput(): Promise<'kept' | 'lost'> {
    const torn = this.#tail.tornAt;
    this.#tornLooks = torn !== undefined && torn === this.#tornAt ? this.#tornLooks + 1 : 0;
    this.#tornAt = torn;
    this.#fullLooks = (await this.#hasRoom()) ? 0 : this.#fullLooks + 1;
    return this.#tornLooks >= LOOKS_TORN || this.#fullLooks >= LOOKS_FULL ? 'lost' : 'kept';
  }

  openBlocks(): OpenBlock[] {
    return this.#reader.openBlocks();
  }

  drain(): Promise<void> {
    return this.#takeTheRest();
  }

  async end(): Promise<void> {
    const { identity, sessionId } = this.#options;
    if (this.#input && isAlive(identity)) {
      this.interrupt().catch(() => {});
      this.#control.request({ subtype: 'end_session' }).catch(() => {});
      await waitForEnd([identity], GRACEFUL_END_MS);
    }
    signalExactly(identity, 'SIGTERM');
    if (!(await waitForEnd([identity], TERM_END_MS))) signalExactly(identity, 'SIGKILL');
    await sweep(SESSION_MARKER, sessionId);
    await this.#ended;
  }

  release(): void {
    this.#released = true;
    this.#close();
  }

  async #hasRoom(): Promise<boolean> {
    try {
      await requireRoom(this.#options.files.folder);
      return true;
    } catch (error) {
      return !isStorageError(toStorageError('', error));
    }
  }

  #newReader(): FactReader {
    return new FactReader((response) => this.#control.receive(response));
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
        await listener.onLines(lines);
        this.#take(lines);
      },
      onError: () => this.#readAgainLater(),
    });
  }

  #take(lines: CliLine[]): void {
    const last = lines.at(-1);
    if (last) this.#taken = { processed: last.end, resume: last.resume };
  }

  /** What could not be taken is read again, from where the last taken line left off, by a fresh reader. */
  #readAgainLater(): void {
    if (this.#released) return;
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
    } catch {
      // The file cannot be opened at the moment.
      this.#readAgainLater();
    }
  }

  #watchForExit(): void {
    const { exited, identity } = this.#options;
    if (exited) {
      void exited.then((exit) => this.#finish(exit));
      return;
    }
    this.#aliveTimer = setInterval(() => {
      if (isAlive(identity)) return;
      clearInterval(this.#aliveTimer);
      void this.#finish({ code: null, signal: null });
    }, ALIVE_POLL_MS);
  }

  async #finish(exit: Pick<ChildExit, 'code' | 'signal'>): Promise<void> {
    await this.#takeTheRest();
    const outputLost = this.#fullLooks > 0 || !(await this.#hasRoom());
    if (this.#released) return;
    const cut = this.#reader.cutBlocks();
    this.#close();
    this.#options.listener.onExit({ ...exit, outputLost, stderrTail: readStderrTail(this.#options.files) }, cut);
    this.#markEnded();
    await sweep(CHILD_MARKER, this.childId);
  }

  async #takeTheRest(): Promise<void> {
    do {
      await this.#retried;
      await this.#tail.drain();
    } while (this.#retried && !this.#released);
  }

  #close(): void {
    clearInterval(this.#aliveTimer);
    clearTimeout(this.#retryTimer);
    this.#tail.close();
    this.#input?.close();
    this.#control.close();
  }
}
