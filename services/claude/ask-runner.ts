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
import { spawnError, startError } from './start-error.js';
import { CHILD_MARKER, SESSION_MARKER, sweep } from './sweep.js';

export type AskResult = NonNullable<AnswerData<'askResponse'>['response']>;

export interface AskRunnerOptions {
  status: CliStatus;
  requireRoom: RequireRoom;
  /** Waits in the line of all children; resolves with what gives the place back. Rejects with the reason of `signal`. */
  takePlace: (id: string, signal: AbortSignal) => Promise<() => void>;
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

interface RunOptions extends Question {
  id: string;
  folder: string;
  signal: AbortSignal;
}

/** One question to a CLI of its own, in an empty folder. */
export class AskRunner {
  readonly #options: AskRunnerOptions;
  readonly #questions = new Set<Question>();

  constructor(options: AskRunnerOptions) {
    this.#options = options;
  }

  /**
   * Waits for a place like every child. Rejects with `TIMEOUT`, `CAPACITY`, `CLAUDE_UNAVAILABLE` or
   * `CLAUDE_NOT_LOGGED_IN`. Nothing of the CLI is left afterwards.
   */
  async ask(question: Question): Promise<AskResult> {
    if (this.#questions.size === MAX_QUESTIONS) throw new CompanionError('CAPACITY', 'Too many questions are running.');
    const { timeoutMs } = question;
    const deadline = new AbortController();
    const timer = setTimeout(
      () => deadline.abort(new CompanionError('TIMEOUT', `No answer within ${timeoutMs} ms.`)),
      timeoutMs,
    );
    this.#questions.add(question);
    try {
      return await this.#askInTurn(question, deadline.signal);
    } finally {
      this.#questions.delete(question);
      clearTimeout(timer);
      this.#options.onEnded(question.person);
    }
  }

  /** Whether a question of this person waits or runs. */
  isAsking(person: UserId): boolean {
    return [...this.#questions].some((question) => question.person === person);
  }

  async #askInTurn(question: Question, signal: AbortSignal): Promise<AskResult> {
    const { status, requireRoom, takePlace } = this.#options;
    await status.check();
    const id = randomUUID();
    const leave = await takePlace(`ask-${id}`, signal);
    try {
      await requireRoom();
      return await this.#askIn({ id, signal, ...question });
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
    await Promise.all(ids.map((value) => sweep({ marker: CHILD_MARKER, value })));
    rmSync(folder, { recursive: true, force: true });
  }

  async #askIn({ id, ...question }: Question & { id: string; signal: AbortSignal }): Promise<AskResult> {
    const folder = join(this.#options.defaults.home, 'ask', id);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    try {
      return parseResult(await this.#run({ id, folder, ...question }));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  async #run({ id, folder, prompt, person, signal }: RunOptions): Promise<string> {
    const { status, environmentOf, defaults } = this.#options;
    signal.throwIfAborted();
    const binary = status.requireBinary();
    const child = spawn(binary, askArguments(defaults), {
      cwd: folder,
      env: { ...environmentOf(person), [SESSION_MARKER]: `ask-${id}`, [CHILD_MARKER]: id },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    // Nothing was started: there is nothing to end, and without a descriptor to spare there are no streams.
    if (child.pid === undefined) {
      const [error] = (await once(child, 'error')) as [Error];
      throw spawnError(error, { workingDirectory: folder, binary });
    }
    try {
      return await outputOf(child, { prompt, signal });
    } finally {
      await sweep({ marker: CHILD_MARKER, value: id });
    }
  }
}

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
