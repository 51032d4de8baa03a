import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { CompanionError } from '../../protocol/error-codes.js';
import type { AnswerData } from '../../protocol/server-frames.js';
import type { RequireRoom } from '../ports/machine.js';
import { settingsOf } from './cli-arguments.js';
import type { CliStatus } from './cli-status.js';
import { spawnError, startError } from './start-error.js';
import { CHILD_MARKER, SESSION_MARKER, sweep } from './sweep.js';

export type AskResult = NonNullable<AnswerData<'askResponse'>['response']>;

export interface AskRunnerOptions {
  status: CliStatus;
  requireRoom: RequireRoom;
  environment: NodeJS.ProcessEnv;
  /** The daemon's home; questions run in an empty folder below it. */
  home: string;
  model?: string;
}

export interface Question {
  prompt: string;
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

/** One question to a CLI of its own, in an empty folder. */
export class AskRunner {
  readonly #options: AskRunnerOptions;

  constructor(options: AskRunnerOptions) {
    this.#options = options;
  }

  /** Rejects with `TIMEOUT`, `CAPACITY`, `CLAUDE_UNAVAILABLE` or `CLAUDE_NOT_LOGGED_IN`. Nothing of the CLI is left afterwards. */
  async ask(question: Question): Promise<AskResult> {
    await this.#options.status.check();
    await this.#options.requireRoom();
    return this.#askIn(randomUUID(), question).catch((error: unknown) => {
      throw startError(error);
    });
  }

  /** Ends what a daemon was asking when it died, and removes its folders: nobody waits for the answers. */
  async discardOld(): Promise<void> {
    const folder = join(this.#options.home, 'ask');
    const ids = existsSync(folder) ? readdirSync(folder) : [];
    await Promise.all(ids.map((value) => sweep({ marker: CHILD_MARKER, value })));
    rmSync(folder, { recursive: true, force: true });
  }

  async #askIn(id: string, question: Question): Promise<AskResult> {
    const folder = join(this.#options.home, 'ask', id);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    try {
      return parseResult(await this.#run({ id, folder, ...question }));
    } finally {
      await sweep({ marker: CHILD_MARKER, value: id });
      rmSync(folder, { recursive: true, force: true });
    }
  }

  #run({ id, folder, prompt, timeoutMs }: Question & { id: string; folder: string }): Promise<string> {
    const { status, environment, home, model } = this.#options;
    const args = ['--print', '--output-format=json', `--settings=${JSON.stringify(settingsOf({ home }))}`];
    if (model !== undefined) args.push(`--model=${model}`);
    const binary = status.requireBinary();
    return new Promise((resolve, reject) => {
      const child = spawn(binary, args, {
        cwd: folder,
        env: { ...environment, [SESSION_MARKER]: `ask-${id}`, [CHILD_MARKER]: id },
        stdio: ['pipe', 'pipe', 'ignore'],
      });
      child.once('error', (error) => reject(spawnError(error, { workingDirectory: folder, binary })));
      // Without a descriptor to spare for them it has no streams.
      if (child.pid === undefined) return;
      const timer = setTimeout(() => {
        child.kill('SIGTERM');
        reject(new CompanionError('TIMEOUT', `No answer within ${timeoutMs} ms.`));
      }, timeoutMs);
      let output = '';
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        if (output.length < MAX_OUTPUT_BYTES) output += chunk;
      });
      child.stdin.on('error', () => {});
      child.stdin.end(prompt);
      child.once('close', () => {
        clearTimeout(timer);
        resolve(output);
      });
    });
  }
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
    throw new CompanionError('CLAUDE_UNAVAILABLE', 'The Claude CLI ended without a result.');
  }
}
