import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CompanionError } from '../../protocol/error-codes.js';
import { MAX_QUESTION_BYTES, MAX_QUESTIONS } from '../../protocol/limits.js';
import type { ChatEnd } from '../ports/chat.js';
import type { ClaudeOutside, CliCapabilities, CliMcpServer } from '../ports/claude.js';
import type { RequireRoom } from '../ports/machine.js';
import type { UserId } from '../ports/records.js';
import type { CliDefaults } from './cli/cli-arguments.js';
import type { CliStatus } from './cli/cli-status.js';
import { spawnError, startError } from './cli/start-error.js';
import { bytesOf, type ChatQuestion, chatErrand } from './errands/chat.js';
import { type Consultation, consultationErrand } from './errands/consultation.js';
import type { Errand, IdleErrand } from './errands/errand.js';
import { type AskResult, type Question, questionErrand } from './errands/question.js';
import { RecentAnswers } from './errands/recent-answers.js';
import { SpareChats } from './errands/spare-chats.js';
import { Descendants } from './process/descendants.js';
import { identify } from './process/process-identity.js';
import { CHILD_MARKER, SESSION_MARKER, type Sweep, sweep } from './process/sweep.js';
import { settledServers } from './stream/mcp-servers.js';

export interface AskRunnerOptions {
  status: CliStatus;
  requireRoom: RequireRoom;
  /**
   * Queues for a process slot shared by all children; resolves with its release. Rejects with the reason of `signal`.
   */
  takeSlot: (id: string, options: { signal: AbortSignal; idle?: IdleErrand | undefined }) => Promise<() => void>;
  /** Whether another child can be started at once. */
  hasFreeSlot: () => boolean;
  /** The environment of this person's CLI. */
  environmentOf: (person: UserId) => NodeJS.ProcessEnv;
  /** Questions run in an empty folder below the daemon's home. */
  defaults: CliDefaults;
  /** A question of this person is over, and nothing of its CLI is left. */
  onEnded: (person: UserId) => void;
}

/** For a CLI to be started and to answer, and how long its answer counts as current. */
const CONSULT_MS = 30_000;
const KNOWN_MS = 600_000;
/** For the MCP servers of a CLI to connect. */
const SETTLED_MS = 5000;
/** Interval of the scans for descendants of a running question. */
const LOOK_MS = 1000;

interface Running<Result> extends Errand<Result> {
  /** Also the CLI's own session id, by which this daemon and the next one find leftover processes. */
  id: string;
  signal: AbortSignal;
}

type AnyErrand = Pick<Errand<unknown>, 'person' | 'bytes'>;

/** Answers single questions, each with its own CLI in an empty folder: what would ask a person there is denied. */
export class AskRunner implements ClaudeOutside {
  readonly #options: AskRunnerOptions;
  readonly #errands = new Map<AnyErrand, Promise<unknown>>();
  readonly #stopping = new AbortController();
  readonly #spares = new SpareChats((start) => this.run(chatErrand({ ...start, bytes: 0 }, this.#options.defaults)));
  readonly #known = new RecentAnswers<UserId, CliCapabilities>(KNOWN_MS);

  constructor(options: AskRunnerOptions) {
    this.#options = options;
  }

  /** A question whose answer is wanted whole. Rejects as `run` does. */
  ask(question: Question): Promise<AskResult> {
    return this.run(questionErrand(question, this.#options.defaults));
  }

  /** A conversation whose next answer is read while it is written. Rejects as `run` does. */
  chat(question: ChatQuestion): Promise<ChatEnd> {
    const { defaults } = this.#options;
    const asked = Promise.resolve(question);
    const end =
      this.#spares.take(question) ?? this.run(chatErrand({ ...question, bytes: bytesOf(question), asked }, defaults));
    return end.finally(() => {
      if (!this.#stopping.signal.aborted && this.#options.hasFreeSlot()) this.#spares.prepare(question);
    });
  }

  /** The commands, agents and models of this person's CLI. Rejects as `run` does. */
  capabilities(person: UserId): Promise<CliCapabilities> {
    return this.#known.of(person, () => this.#consult({ person, ask: (questions) => questions.capabilities() }));
  }

  mcpServers(person: UserId, directory: string | undefined): Promise<CliMcpServer[]> {
    return this.#consult({ person, directory, ask: (questions) => settledServers(questions, SETTLED_MS) });
  }

  /** Asks a CLI of this person about itself. Rejects as `run` does. */
  #consult<Result>(consultation: Pick<Consultation<Result>, 'person' | 'directory' | 'ask'>): Promise<Result> {
    const order = { ...consultation, timeoutMs: CONSULT_MS, asker: this.#stopping.signal };
    return this.run(consultationErrand(order, this.#options.defaults));
  }

  /**
   * Waits for a slot like every child. Rejects with `TIMEOUT`, `CAPACITY`, `CLAUDE_UNAVAILABLE` or
   * `CLAUDE_NOT_LOGGED_IN`, and with the reason of `asker` when the asker has disconnected. Afterwards all processes of
   * the CLI have ended and the slot is free.
   */
  async run<Result>(errand: Errand<Result>): Promise<Result> {
    this.#requireRoomFor(errand);
    const answer = this.#runInTime(errand);
    this.#errands.set(errand, answer);
    try {
      return await answer;
    } finally {
      this.#errands.delete(errand);
      this.#options.onEnded(errand.person);
    }
  }

  /** Ends all questions when the daemon stops. Resolves when all their processes have ended. */
  async close(): Promise<void> {
    this.#stopping.abort(new CompanionError('CAPACITY', 'The daemon is stopping.'));
    await Promise.allSettled(this.#errands.values());
  }

  /** Whether a question of this person is waiting or running. */
  isAsking(person: UserId): boolean {
    return [...this.#errands.keys()].some((question) => question.person === person);
  }

  #requireRoomFor({ person, bytes }: AnyErrand): void {
    const all = [...this.#errands.keys()];
    const own = all.filter((errand) => errand.person === person);
    if (isBeyond(own, 'ofPerson', bytes)) throw tooMany(`${MAX_QUESTIONS.ofPerson} questions of yours`, 'ofPerson');
    if (isBeyond(all, 'inAll', bytes)) throw tooMany(`${MAX_QUESTIONS.inAll} questions`, 'inAll');
  }

  async #runInTime<Result>(errand: Errand<Result>): Promise<Result> {
    const { timeoutMs, asker } = errand;
    const deadline = new AbortController();
    const timer = setTimeout(
      () => deadline.abort(new CompanionError('TIMEOUT', `The question was not answered within ${timeoutMs} ms.`)),
      timeoutMs,
    );
    const signal = AbortSignal.any([deadline.signal, asker, this.#stopping.signal]);
    try {
      return await this.#runInTurn({ ...errand, id: randomUUID(), signal });
    } finally {
      clearTimeout(timer);
      // A combined signal that is never aborted stays in memory with its listeners.
      deadline.abort();
    }
  }

  async #runInTurn<Result>(running: Running<Result>): Promise<Result> {
    const { status, requireRoom, takeSlot } = this.#options;
    const { id, signal } = running;
    await status.check();
    const leave = await takeSlot(`ask-${id}`, { signal, idle: running.idle });
    try {
      await requireRoom();
      return await this.#runInFolder(running);
    } catch (error) {
      throw startError(error);
    } finally {
      leave();
    }
  }

  /** Ends the questions of a daemon that died, and removes their folders: they have no asker left. */
  async discardOld(): Promise<void> {
    const folder = join(this.#options.defaults.home, 'ask');
    const ids = existsSync(folder) ? readdirSync(folder) : [];
    await Promise.all(ids.map((id) => sweep(leftOf(id, new Descendants({ ...UNKNOWN, conversation: id })))));
    rmSync(folder, { recursive: true, force: true });
  }

  async #runInFolder<Result>(running: Running<Result>): Promise<Result> {
    const folder = join(this.#options.defaults.home, 'ask', running.id);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    try {
      return await this.#run(folder, running);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  async #run<Result>(folder: string, running: Running<Result>): Promise<Result> {
    const { status, environmentOf } = this.#options;
    const { id, person, signal } = running;
    signal.throwIfAborted();
    const binary = status.requireBinary();
    const child = spawn(binary, running.arguments(id), {
      cwd: running.directory ?? folder,
      env: { ...environmentOf(person), [SESSION_MARKER]: `ask-${id}`, [CHILD_MARKER]: id },
      stdio: ['pipe', 'pipe', 'ignore'],
      // All members of its process group count as its descendants, so the daemon must not be one.
      detached: true,
    });
    // Nothing was started, so there is nothing to end. Without a free descriptor, the streams are missing too.
    if (child.pid === undefined) {
      const [error] = (await once(child, 'error')) as [Error];
      throw spawnError(error, { workingDirectory: folder, binary });
    }
    const descendants = descendantsOf({ pid: child.pid, id });
    // Its tools run without a request where `CLAUDE_ALLOWED_TOOLS` or the person's settings allow them.
    const endLooks = lookRepeatedly(descendants);
    try {
      return await running.talk(child, { conversation: id, signal });
    } finally {
      endLooks();
      await sweep(leftOf(id, await descendants));
    }
  }
}

/** Stands for a process that can no longer be identified. */
const UNKNOWN = { pid: 0, startTime: 'ended' };

/** The descendants of a question's CLI. Never rejects. */
async function descendantsOf({ pid, id }: { pid: number; id: string }): Promise<Descendants> {
  // Any failure is harmless: processes with the marker and writers into its files are found without it.
  const identity = await identify(pid).catch(() => undefined);
  return new Descendants({ ...(identity ?? UNKNOWN), conversation: id });
}

/** Whether one more, of so many bytes, is too much beside these. */
function isBeyond(errands: readonly AnyErrand[], whose: keyof typeof MAX_QUESTION_BYTES, bytes: number): boolean {
  const held = errands.reduce((sum, errand) => sum + errand.bytes, bytes);
  return errands.length >= MAX_QUESTIONS[whose] || held > MAX_QUESTION_BYTES[whose];
}

function tooMany(what: string, whose: keyof typeof MAX_QUESTION_BYTES): CompanionError {
  const rule = `at most ${what}, or ${MAX_QUESTION_BYTES[whose] / 1024 / 1024} MiB of them, can run or wait`;
  return new CompanionError('CAPACITY', `Too many questions: ${rule}.`, { field: 'prompt', rule });
}

/** Scans again a second after each scan has ended. Returns the function that stops it. */
function lookRepeatedly(descendants: Promise<Descendants>): () => void {
  let timer: NodeJS.Timeout | undefined;
  let isEnded = false;
  const schedule = () => {
    if (isEnded) return;
    timer = setTimeout(() => void look(descendants).then(schedule), LOOK_MS).unref();
  };
  schedule();
  return () => {
    isEnded = true;
    clearTimeout(timer);
  };
}

/** Records the current descendants. */
async function look(descendants: Promise<Descendants>): Promise<void> {
  try {
    await (await descendants).look();
  } catch {
    // The machine lacks resources or does not answer: the next scan tries again.
  }
}

const leftOf = (id: string, descendants: Descendants): Sweep => ({ marker: CHILD_MARKER, value: id, descendants });
