/** The object `response` of OpenAI's API. */
import {
  FIXED_FIELDS,
  type OutputMessage,
  type ResponseObject,
  type ResponseStatus,
} from '../../protocol/responses.js';
import { type AskedResponse, type KeptResponse, responseIdOf } from '../../services/commands/responses.js';
import { isLimit } from '../../services/model/usage-limits.js';
import type { ChatEnd } from '../../services/ports/chat.js';
import { DEFAULT_MODEL } from './ask-claude.js';
import { chatUsage } from './chat-end.js';

/** What is known of a response before its turn has ended. */
export interface ResponseFacts {
  id: string;
  /** Epoch milliseconds. */
  createdAt: number;
  asked: AskedResponse;
  /** Absent: it is not kept. */
  sessionId?: string;
}

const NOT_ASKED: AskedResponse = { model: DEFAULT_MODEL, background: false, metadata: {} };

export const factsOf = ({ session, prompt, asked }: KeptResponse): ResponseFacts => ({
  id: responseIdOf(prompt.promptId),
  createdAt: prompt.createdAt,
  sessionId: session.id,
  // Any prompt can be read as a response.
  asked: asked ?? { ...NOT_ASKED, model: session.state.record.modelChoice ?? DEFAULT_MODEL },
});

const seconds = (ms: number): number => Math.floor(ms / 1000);

/** While its turn waits or runs. */
export function openResponse(facts: ResponseFacts, status: 'queued' | 'in_progress'): ResponseObject {
  const { id, createdAt, asked, sessionId } = facts;
  return {
    id,
    object: 'response',
    created_at: seconds(createdAt),
    completed_at: null,
    status,
    background: asked.background,
    store: sessionId !== undefined,
    error: null,
    incomplete_details: null,
    instructions: asked.instructions ?? null,
    max_output_tokens: null,
    metadata: asked.metadata,
    model: asked.model,
    output: [],
    previous_response_id: asked.previous ?? null,
    usage: null,
    ...FIXED_FIELDS,
    ...(sessionId !== undefined && { session_id: sessionId }),
  };
}

export interface EndedTurn {
  end: ChatEnd;
  /** Of the whole answer. */
  text: string;
  /** Epoch milliseconds. */
  endedAt: number;
}

export function endedResponse(facts: ResponseFacts, { end, text, endedAt }: EndedTurn): ResponseObject {
  const status = statusOf(end);
  const words = end.finalResult || `The turn has ended without an answer: ${end.subtype}.`;
  return {
    ...openResponse(facts, 'in_progress'),
    completed_at: seconds(endedAt),
    status,
    error: status === 'failed' ? { code: isLimit(end) ? 'rate_limit_exceeded' : 'server_error', message: words } : null,
    incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
    output: text === '' ? [] : [messageOf(facts, { text, status: status === 'completed' ? status : 'incomplete' })],
    usage: end.usage ? usageOf(end) : null,
    ...(end.cost !== undefined && { cost: end.cost }),
  };
}

const STATUSES: Readonly<Record<string, ResponseStatus>> = {
  interrupted: 'cancelled',
  cancelled: 'cancelled',
  error_max_turns: 'incomplete',
  error_max_budget_usd: 'incomplete',
};

const statusOf = ({ subtype, isError }: ChatEnd): ResponseStatus =>
  STATUSES[subtype] ?? (isError ? 'failed' : 'completed');

/** What Claude says is one message. */
export const messageIdOf = ({ id }: ResponseFacts): string => `msg_${id}`;

export function messageOf(facts: ResponseFacts, { text, status }: Pick<OutputMessage, 'status'> & { text?: string }) {
  const content = text === undefined ? [] : [textPart(text)];
  return { id: messageIdOf(facts), type: 'message', role: 'assistant', status, content } satisfies OutputMessage;
}

export const textPart = (text: string) => ({ type: 'output_text' as const, text, annotations: [], logprobs: [] });

function usageOf(end: ChatEnd): NonNullable<ResponseObject['usage']> {
  const { prompt_tokens: input, completion_tokens: output, total_tokens: all, prompt_tokens_details } = chatUsage(end);
  const written = end.usage?.cache_creation_input_tokens;
  return {
    input_tokens: input,
    input_tokens_details: {
      cached_tokens: prompt_tokens_details.cached_tokens,
      cache_write_tokens: typeof written === 'number' ? Math.trunc(written) : 0,
    },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: all,
  };
}
