import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import * as z from 'zod';
import { CompanionError } from '../../protocol/error-codes.js';
import type { AnswerData } from '../../protocol/server-frames.js';
import type { RequireRoom } from '../ports/machine.js';
import type { UserId } from '../ports/records.js';
import { askArguments, type CliDefaults } from './cli-arguments.js';
import type { CliStatus } from './cli-status.js';
import { Descendants } from './descendants.js';
import { identify } from './process-identity.js';
import { spawnError, startError } from './start-error.js';
import { CHILD_MARKER, SESSION_MARKER, type Sweep, sweep } from './sweep.js';

export type AskResult = NonNullable<AnswerData<'askResponse'>['response']>;

export interface AskRunnerOptions {
  status: CliStatus;
  requireRoom: RequireRoom;
  /**
   * Queues for a process slot shared by all children; resolves with its release. Rejects with the reason of `signal`.
   */
  takeSlot: (id: string, signal: AbortSignal) => Promise<() => void>;
  /** The environment of this person's CLI. */
  environmentOf: (person: UserId) => NodeJS.ProcessEnv;
  /** Questions run in an empty folder below the daemon's home. */
  defaults: CliDefaults;
  /** A question of this person is over, and nothing of its CLI is left. */
  onEnded: (person: UserId) => void;
}

export interface Question {
  /** The person who asks. */
  person: UserId;
  prompt: string;
  /** Counted from the request, including the wait for a slot. */
  timeoutMs: number;
  /** Aborted when the asker has disconnected. */
  asker: AbortSignal;
}

const resultSchema = z.object({
  type: z.string(),
  subtype: z.string(),
  is_error: z.boolean(),
  duration_ms: z.number(),
  duration_api_ms: z.number().optional(),
  num_turns: z.number(),
  result: z.string().default(''),
  session_id: z.string(),
  total_cost_usd: z.number().optional(),
  usage: z.record(z.string(), z.unknown()).optional(),
});

const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
/** Each waiting question holds its prompt in memory. */
const MAX_QUESTIONS = 100;
/** Interval of the scans for descendants of a running question. */
const LOOK_MS = 1000;

interface AskedQuestion extends Question {
  /** Also the CLI's own session id, by which this daemon and the next one find leftover processes. */
  id: string;
  signal: AbortSignal;
}

interface RunOptions extends AskedQuestion {
  folder: string;
}

/** Answers single questions, each with its own CLI in an empty folder. */
export class AskRunner {
  readonly #options: AskRunnerOptions;
  readonly #questions = new Map<Question, Promise<AskResult>>();
  readonly #stopping = new AbortController();

  constructor(options: AskRunnerOptions) {
    this.#options = options;
  }

  /**
   * Waits for a slot like every child. Rejects with `TIMEOUT`, `CAPACITY`, `CLAUDE_UNAVAILABLE` or
   * `CLAUDE_NOT_LOGGED_IN`, and with the reason of `asker` when the asker has disconnected. Afterwards all processes of
   * the CLI have ended and the slot is free.
   */
  async ask(question: Question): Promise<AskResult> {
    if (this.#questions.size === MAX_QUESTIONS) throw new CompanionError('CAPACITY', 'Too many questions are running.');
    const answer = this.#askInTime(question);
    this.#questions.set(question, answer);
    try {
      return await answer;
    } finally {
      this.#questions.delete(question);
      this.#options.onEnded(question.person);
    }
  }

  /** Ends all questions when the daemon stops. Resolves when all their processes have ended. */
  async close(): Promise<void> {
    this.#stopping.abort(new CompanionError('CAPACITY', 'The daemon is stopping.'));
    await Promise.allSettled(this.#questions.values());
  }

  /** Whether a question of this person is waiting or running. */
  isAsking(person: UserId): boolean {
    return [...this.#questions.keys()].some((question) => question.person === person);
  }

  async #askInTime(question: Question): Promise<AskResult> {
    const { timeoutMs, asker } = question;
    const deadline = new AbortController();
    const timer = setTimeout(
      () => deadline.abort(new CompanionError('TIMEOUT', `No answer within ${timeoutMs} ms.`)),
      timeoutMs,
    );
    const signal = AbortSignal.any([deadline.signal, asker, this.#stopping.signal]);
    try {
      return await this.#askInTurn({ id: randomUUID(), signal, ...question });
    } finally {
      clearTimeout(timer);
      // A combined signal that is never aborted stays in memory with its listeners.
      deadline.abort();
    }
  }

  async #askInTurn(question: AskedQuestion): Promise<AskResult> {
    const { status, requireRoom, takeSlot } = this.#options;
    const { id, signal } = question;
    await status.check();
    const leave = await takeSlot(`ask-${id}`, signal);
    try {
      await requireRoom();
      return await this.#askIn(question);
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

  async #askIn(question: AskedQuestion): Promise<AskResult> {
    const folder = join(this.#options.defaults.home, 'ask', question.id);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    try {
      return parseResult(await this.#run({ folder, ...question }));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  async #run({ id, folder, prompt, person, signal }: RunOptions): Promise<string> {
    const { status, environmentOf, defaults } = this.#options;
    signal.throwIfAborted();
    const binary = status.requireBinary();
    const child = spawn(binary, askArguments(id, defaults), {
      cwd: folder,
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
    const descendants = kinOf({ pid: child.pid, id });
    // Its tools run without a request where `CLAUDE_ALLOWED_TOOLS` or the person's settings allow them.
    const looks = setInterval(() => void look(descendants), LOOK_MS).unref();
    try {
      return await outputOf(child, { prompt, signal });
    } finally {
      clearInterval(looks);
      await sweep(leftOf(id, await descendants));
    }
  }
}

/** Stands for a process that can no longer be identified. */
const UNKNOWN = { pid: 0, startTime: 'ended' };

/** The descendants of a question's CLI. Never rejects. */
async function kinOf({ pid, id }: { pid: number; id: string }): Promise<Descendants> {
  // Any failure is harmless: processes with the marker and writers into its files are found without it.
  const identity = await identify(pid).catch(() => undefined);
  return new Descendants({ ...(identity ?? UNKNOWN), conversation: id });
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

/**
 * The complete output, once the process has ended. Rejects with the reason of `signal` and leaves the process running.
 */
function outputOf(
  child: ChildProcessByStdio<Writable, Readable, null>,
  { prompt, signal }: Pick<RunOptions, 'prompt' | 'signal'>,
): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      if (output.length < MAX_OUTPUT_BYTES) output += chunk;
    });
    // The CLI ended without reading: its output, or the lack of it, gives the reason.
    child.stdin.on('error', () => {});
    child.stdin.end(prompt);
    child.once('close', () => resolve(output));
  });
}

function parseResult(output: string): AskResult {
  try {
    const { duration_api_ms, total_cost_usd, usage, ...rest } = resultSchema.parse(JSON.parse(output));
    return {
      ...rest,
      ...(duration_api_ms !== undefined && { duration_api_ms }),
      ...(total_cost_usd !== undefined && { total_cost_usd }),
      ...(usage && { usage }),
    };
  } catch {
    // The output is not JSON, or another object. It can contain anything, so it is not reported.
    throw new CompanionError('CLAUDE_UNAVAILABLE', 'The Claude CLI ended without a result.');
  }
}
