import * as z from 'zod';
import { CompanionError } from '../../../protocol/error-codes.js';
import type { AnswerData } from '../../../protocol/server-frames.js';
import { askArguments, type CliDefaults } from '../cli/cli-arguments.js';
import type { Errand, ErrandChild, ErrandOrder } from './errand.js';

export type AskResult = NonNullable<AnswerData<'askResponse'>['response']>;

export interface Question extends ErrandOrder {
  prompt: string;
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

/** A question whose answer is wanted whole. */
export const questionErrand = ({ prompt, ...order }: Question, defaults: CliDefaults): Errand<AskResult> => ({
  ...order,
  bytes: Buffer.byteLength(prompt),
  arguments: (conversation) => askArguments(conversation, defaults),
  talk: async (child, { signal }) => parseResult(await outputOf(child, { prompt, signal })),
});

/**
 * The complete output, once the process has ended. Rejects with the reason of `signal` and leaves the process running.
 */
function outputOf(
  child: ErrandChild,
  { prompt, signal }: Pick<Question, 'prompt'> & { signal: AbortSignal },
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
