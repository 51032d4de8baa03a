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
  /** Waits in the line of all children; resolves with what gives the place back. Rejects with the reason of `signal`. */
  takeSlot: (id: string, signal: AbortSignal) => Promise<() => void>;
  /** What the CLI of a person finds in its environment. */
  environmentOf: (person: UserId) => NodeJS.ProcessEnv;
  /** Questions run in an empty folder below the daemon's home. */
  defaults: CliDefaults;
  /** A question of this person is over, and nothing of its CLI is left. */
  onEnded: (person: UserId) => void;
}

export interface Question {
  /** Who asks. */
  person: UserId;
  prompt: string;
  /** From when it was asked, waiting for a place included. */
  timeoutMs: number;
  /** Aborted when nobody waits for the answer any more: whoever asked has left. */
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
/** Each holds its prompt in memory while it waits. */
const MAX_QUESTIONS = 100;
/** How often it is looked at what a running question has started. */
const LOOK_MS = 1000;

interface AskedQuestion extends Question {
  /** Also the CLI's own session: what it leaves behind is found by that, by the next daemon too. */
  id: string;
  signal: AbortSignal;
}

interface RunOptions extends AskedQuestion {
  folder: string;
}

/** One question to a CLI of its own, in an empty folder. */
export class AskRunner {
  readonly #options: AskRunnerOptions;
  readonly #questions = new Map<Question, Promise<AskResult>>();
  readonly #stopping = new AbortController();

  constructor(options: AskRunnerOptions) {
    this.#options = options;
  }

  /**
   * Waits for a place like every child. Rejects with `TIMEOUT`, `CAPACITY`, `CLAUDE_UNAVAILABLE` or
   * `CLAUDE_NOT_LOGGED_IN`, and with the reason of `asker` when whoever asked has left. Nothing of the CLI is left
   * afterwards, and its place is given back.
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

  /** Ends all questions: the daemon stops. Resolves when nothing of them is left. */
  async close(): Promise<void> {
    this.#stopping.abort(new CompanionError('CAPACITY', 'The daemon is stopping.'));
    await Promise.allSettled(this.#questions.values());
  }

  /** Whether a question of this person waits or runs. */
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
      // While it is not aborted, the joint signal is kept with all that listens to it.
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

  /** Ends what a daemon was asking when it died, and removes its folders: nobody waits for the answers. */
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
      // Whoever is in its process group is taken for its descendant: the daemon must not be.
      detached: true,
    });
    // Nothing was started: there is nothing to end, and without a descriptor to spare there are no streams.
    if (child.pid === undefined) {
      const [error] = (await once(child, 'error')) as [Error];
      throw spawnError(error, { workingDirectory: folder, binary });
    }
    const descendants = kinOf({ pid: child.pid, id });
    // Its tools need nobody's word where `CLAUDE_ALLOWED_TOOLS` or the person's settings allow them.
    const looks = setInterval(() => void look(descendants), LOOK_MS).unref();
    try {
      return await outputOf(child, { prompt, signal });
    } finally {
      clearInterval(looks);
      await sweep(leftOf(id, await descendants));
    }
  }
}

/** Of a process that cannot be looked at any more. */
const UNKNOWN = { pid: 0, startTime: 'ended' };

/** What the CLI of a question and its tools have started. Never rejects. */
async function kinOf({ pid, id }: { pid: number; id: string }): Promise<Descendants> {
  // Whatever the reason: what carries the marker or writes into its files is found without it.
  const identity = await identify(pid).catch(() => undefined);
  return new Descendants({ ...(identity ?? UNKNOWN), conversation: id });
}

/** What is below it now is known from then on. */
async function look(descendants: Promise<Descendants>): Promise<void> {
  try {
    await (await descendants).look();
  } catch {
    // The machine has nothing left to look with, or does not answer: the next look is another try.
  }
}

const leftOf = (id: string, descendants: Descendants): Sweep => ({ marker: CHILD_MARKER, value: id, descendants });

/** All that it writes, when it has ended. Rejects with the reason of `signal`, and leaves it running then. */
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
    // It ends without reading: its output, or the lack of it, says why.
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
    // It is no JSON or another object. What the CLI wrote in its place may hold anything, and is not told.
    throw new CompanionError('CLAUDE_UNAVAILABLE', 'The Claude CLI ended without a result.');
  }
}
