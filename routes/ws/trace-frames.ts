import type { ClientFrame } from '../../protocol/client-frames.js';
import type { FrameRule } from '../../protocol/commands/rules.js';
import type { OpenSpan } from '../../services/ports/tracing.js';
import type { RequestContext } from './request-context.js';

/**
 * Traces a frame that passes a text to Claude, from its turn to the end of its handling; undefined for others, and where
 * nothing is traced. It is part of what its own `traceparent` names, else of the trace in which the connection began.
 */
export function traceFrame(
  { connection, requestId }: RequestContext,
  { frame, rule }: { frame: ClientFrame; rule: FrameRule<ClientFrame['data']> },
): OpenSpan | undefined {
  const { services, trace } = connection;
  if (!services.tracing || !rule.prompt) return undefined;
  const { type, data } = frame;
  const own = 'traceparent' in data ? data.traceparent : undefined;
  return services.tracing.begin({
    name: `frame ${type}`,
    kind: 'server',
    parent: own ?? trace,
    facts: { 'companion.frame.type': type, 'companion.request.id': requestId ?? undefined },
  });
}
