import type { ErrorCode } from '../../protocol/error-codes.js';
import type { ChatEnd } from '../../services/ports/chat.js';
import type { Tracing } from '../../services/ports/tracing.js';

/** The spans of an answer outside any session; each is ended once, whatever is called. */
interface ChatSpans {
  /** Claude begins to answer. */
  begun(): void;
  ended(end: ChatEnd): void;
  /** There will be no answer. */
  failed(code: ErrorCode): void;
}

/** Undefined where nothing is traced. */
export function traceChat(
  tracing: Tracing | undefined,
  { trace, model }: { trace: string | undefined; model: string },
): ChatSpans | undefined {
  if (!tracing) return undefined;
  const chat = tracing.begin({ name: 'claude chat', parent: trace, facts: { 'gen_ai.request.model': model } });
  const answer = tracing.begin({ name: 'claude first token', parent: chat.traceparent });
  return {
    begun: () => answer.end(),
    ended: ({ subtype, isError, usage = {}, cost }) => {
      const count = (name: string) => (typeof usage[name] === 'number' ? usage[name] : undefined);
      const facts = {
        'companion.outcome': subtype,
        'gen_ai.usage.input_tokens': count('input_tokens'),
        'gen_ai.usage.output_tokens': count('output_tokens'),
        'companion.cost_dollars': cost,
        ...(isError && { 'error.type': subtype }),
      };
      chat.end(facts, { isError });
    },
    failed: (code) => chat.end({ 'companion.outcome': 'failed', 'error.type': code }, { isError: true }),
  };
}
