import { CompanionError } from '../../protocol/error-codes.js';
import type { ChatUsage, FinishReason } from '../../protocol/openai.js';
import { isLimit } from '../../services/model/usage-limits.js';
import type { ChatEnd } from '../../services/ports/chat.js';

/** Ends that are an answer, although not a whole one: an error would make a client ask again by itself. */
const CUT_SHORT: ReadonlySet<string> = new Set(['interrupted', 'error_max_turns', 'error_max_budget_usd']);

export const finishReason = ({ subtype }: ChatEnd): FinishReason => (CUT_SHORT.has(subtype) ? 'length' : 'stop');

/** Why there is no answer; undefined when there is one. `now`: epoch milliseconds. */
export function failureOf(end: ChatEnd, now: number): CompanionError | undefined {
  if (!end.isError || CUT_SHORT.has(end.subtype)) return undefined;
  const message = end.finalResult || `The turn has ended without an answer: ${end.subtype}.`;
  if (end.subtype === 'cancelled') return new CompanionError('CONFLICT', 'The prompt was cancelled.');
  if (!isLimit(end)) return new CompanionError('CLAUDE_UNAVAILABLE', message);
  const wait = end.resetsAt === undefined ? {} : { retryAfterMs: Math.max(0, end.resetsAt - now) };
  return new CompanionError('RATE_LIMITED', message, wait);
}

/** The tokens of a turn in OpenAI's terms. */
export function chatUsage({ usage = {} }: ChatEnd): ChatUsage {
  const count = (name: string): number => (typeof usage[name] === 'number' ? Math.trunc(usage[name]) : 0);
  const cached = count('cache_read_input_tokens');
  const prompt = count('input_tokens') + count('cache_creation_input_tokens') + cached;
  const completion = count('output_tokens');
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached },
  };
}
