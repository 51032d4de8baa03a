import type { EventData } from '../../protocol/events.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { Publication, Publisher } from '../ports/publication.js';
import type { EventRecord } from '../ports/records.js';
import type { Metrics } from './metrics.js';

/** What is known of a session. */
export interface SessionFacts {
  /** Epoch milliseconds. */
  createdAt: number;
  messageCount: number;
  model: string | undefined;
}

export interface ObserverOptions {
  metrics: Metrics;
  factsOf: (sessionId: SessionId) => SessionFacts | undefined;
  /** Epoch milliseconds. */
  now: () => number;
}

/** Counts what sessions publish. Streamed text is not looked at. */
export class SessionObserver {
  readonly #options: ObserverOptions;

  constructor(options: ObserverOptions) {
    this.#options = options;
  }

  /** Wraps the publisher. */
  observe(publisher: Publisher): Publisher {
    const { metrics } = this.#options;
    return {
      publish: (session, items) => {
        for (const item of items) this.#take(session.sessionId, item);
        publisher.publish(session, items);
      },
      isNamed: (owner, type) => publisher.isNamed(owner, type),
      opened: (session) => {
        metrics.sessionsMade.inc();
        publisher.opened(session);
      },
      forgotten: (sessionId) => publisher.forgotten(sessionId),
    };
  }

  #take(sessionId: SessionId, item: Publication): void {
    if (item.kind !== 'event') return;
    const { event } = item;
    this.#options.metrics.events.inc({ type: event.type });
    if (event.type === 'streamComplete') this.#turn(sessionId, dataOf<'streamComplete'>(event));
    if (event.type === 'sessionStatus') this.#status(sessionId, dataOf<'sessionStatus'>(event));
    if (event.type === 'toolUse') this.#tool(dataOf<'toolUse'>(event));
  }

  #turn(sessionId: SessionId, { subtype, duration, cost, usage }: EventData<'streamComplete'>): void {
    const { metrics, factsOf } = this.#options;
    metrics.turns.inc({ subtype });
    metrics.turnSeconds.observe(duration / 1000);
    metrics.spent({ model: factsOf(sessionId)?.model, cost, usage });
  }

  #status(sessionId: SessionId, { status, reason = 'closed' }: EventData<'sessionStatus'>): void {
    const { metrics, factsOf, now } = this.#options;
    const facts = factsOf(sessionId);
    if (!facts) return;
    if (status === 'starting' && facts.messageCount > 0) metrics.sessionsResumed.inc();
    if (status !== 'closed') return;
    metrics.sessionsEnded.inc({ reason: REASONS.has(reason) ? reason : OTHER });
    metrics.sessionSeconds.observe(Math.max(0, now() - facts.createdAt) / 1000);
  }

  #tool({ toolName }: EventData<'toolUse'>): void {
    const [, server] = /^mcp__(.+?)__/.exec(toolName) ?? [];
    if (server === undefined) return;
    this.#options.metrics.mcpCall(server);
  }
}

const OTHER = 'other';
/** Of the daemon's own; people give others. */
const REASONS: ReadonlySet<string> = new Set(['unused', 'purged', 'closed']);

const dataOf = <Type extends 'streamComplete' | 'sessionStatus' | 'toolUse'>({ data }: EventRecord): EventData<Type> =>
  JSON.parse(data) as EventData<Type>;
