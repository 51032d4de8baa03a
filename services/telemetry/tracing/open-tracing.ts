import type { api as Otel } from '@opentelemetry/sdk-node';
import type { Log } from '../../ports/log.js';
import type { NewSpan, OpenSpan, SpanFacts, Tracing } from '../../ports/tracing.js';
import { ExportProblems } from './export-problems.js';
import { PromptSpans } from './prompt-spans.js';

export interface TracingOptions {
  /** Of the daemon. */
  version: string;
  log: Log;
  /** Epoch milliseconds. */
  now: () => number;
}

export interface RunningTracing extends Tracing {
  /** Sends what has ended, for at most 400 ms. Never rejects. */
  close(): Promise<void>;
}

/** The daemon is to stop within 1.5 s, whatever the receiver does. */
const LAST_SEND_MS = 400;

type Api = typeof Otel;

/**
 * Loads the SDK and begins to trace. Where, how and how much of it is sent is up to the SDK, which reads the `OTEL_…`
 * variables of the environment. Rejects when it cannot be loaded.
 */
export async function openTracing({ version, log, now }: TracingOptions): Promise<RunningTracing> {
  const { NodeSDK, api, core, resources } = await import('@opentelemetry/sdk-node');
  const named = resources.resourceFromAttributes({ 'service.name': 'claude-companion', 'service.version': version });
  const sdk = new NodeSDK({
    resource: resources.defaultResource().merge(named),
    // Those of the process name paths and arguments.
    resourceDetectors: [resources.envDetector, resources.hostDetector],
    contextManager: withoutContext(api),
    // Numbers are for Prometheus, and the log is a file.
    metricReaders: [],
    logRecordProcessors: [],
  });
  const problems = new ExportProblems(log, now);
  core.setGlobalErrorHandler((error) => problems.failed(error));
  const tell = (...words: unknown[]) => problems.said(words);
  const silent = () => {};
  const logger = { error: tell, warn: tell, info: silent, debug: silent, verbose: silent };
  api.diag.setLogger(logger, { logLevel: api.DiagLogLevel.WARN, suppressOverrideMessage: true });
  sdk.start();
  const tracer = api.trace.getTracer('claude-companion', version);
  const contextOf = (parent: NewSpan['parent']) => parentContext(api, parent);
  const begin = (span: NewSpan) => openSpan({ api, tracer, contextOf }, span);
  const prompts = new PromptSpans(begin, now);
  return {
    begin,
    prompts,
    observe: (publisher) => prompts.observe(publisher),
    close: () => inTime(sdk.shutdown().catch((error: unknown) => problems.failed(error))),
  };
}

async function inTime(sent: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, LAST_SEND_MS);
  });
  await Promise.race([sent, late]);
  clearTimeout(timer);
}

/** Each span names its parent: the SDK's own manager would have Node follow every promise of the daemon. */
function withoutContext({ ROOT_CONTEXT }: Api): Otel.ContextManager {
  const manager: Otel.ContextManager = {
    active: () => ROOT_CONTEXT,
    with: (_context, run, self, ...given) => run.call(self as ThisParameterType<typeof run>, ...given),
    bind: (_context, target) => target,
    enable: () => manager,
    disable: () => manager,
  };
  return manager;
}

/** The headers are those of `OTEL_PROPAGATORS`; what is not valid in them is ignored. */
function parentContext({ ROOT_CONTEXT, propagation }: Api, parent: NewSpan['parent']): Otel.Context {
  const headers = typeof parent === 'string' ? { traceparent: parent } : parent;
  return headers ? propagation.extract(ROOT_CONTEXT, headers) : ROOT_CONTEXT;
}

interface SpanParts {
  api: Api;
  tracer: Otel.Tracer;
  contextOf: (parent: NewSpan['parent']) => Otel.Context;
}

function openSpan({ api, tracer, contextOf }: SpanParts, { name, kind, parent, at, facts }: NewSpan): OpenSpan {
  const options = {
    kind: kind === 'server' ? api.SpanKind.SERVER : api.SpanKind.INTERNAL,
    ...(at !== undefined && { startTime: at }),
    ...(facts && { attributes: known(facts) }),
  };
  const span = tracer.startSpan(name, options, contextOf(parent));
  let isOpen = true;
  return {
    traceparent: traceparentOf(span.spanContext()),
    end: (more, ended) => {
      if (!isOpen) return;
      isOpen = false;
      if (more) span.setAttributes(known(more));
      if (ended?.isError) span.setStatus({ code: api.SpanStatusCode.ERROR });
      span.end(ended?.at);
    },
  };
}

/** https://www.w3.org/TR/trace-context/#traceparent-header */
const traceparentOf = ({ traceId, spanId, traceFlags }: Otel.SpanContext): string =>
  `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;

const known = (facts: SpanFacts): Otel.Attributes =>
  Object.fromEntries(
    Object.entries(facts).filter((fact): fact is [string, string | number | boolean] => fact[1] !== undefined),
  );
