import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { PushRecord } from '../ports/outbox.js';
import type { FrameCounts } from './clients.js';
import { LoopLag } from './loop-lag.js';

/** What is read when somebody asks. */
export interface Readings {
  /** WebSocket connections. */
  connections: () => number;
  /** Bytes buffered for slow readers. */
  unsentBytes: () => number;
  sessions: () => number;
  /** Running CLIs. */
  children: () => number;
  maxChildren: () => number;
  /** Bytes of all running CLIs. */
  childMemory: () => Promise<number>;
  /** Sessions that wait for a place among the CLIs. */
  waitingForChild: () => number;
  queuedPrompts: () => number;
  openPermissions: () => number;
  /** Pushes that are owed or being sent. */
  openPushes: () => number;
  /** What webhooks are owed. */
  openWebhookDeliveries: () => number;
  /** Event streams and waiting clients over HTTP. */
  eventStreams: () => number;
  /** Bytes that are available to more processes. */
  freeMemory: () => Promise<number>;
  /** Free bytes on the disk of the home. */
  freeDisk: () => Promise<number>;
}

export interface MetricsOptions {
  version: string;
  readings: Readings;
}

/** In seconds: from an answer of memory to a turn that is waited for. */
const REQUEST_BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 300];
const FRAME_BUCKETS = [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5];
const WAIT_BUCKETS = [0.1, 0.5, 1, 5, 30, 60, 300, 3600];
const TURN_BUCKETS = [1, 5, 15, 60, 300, 900, 3600];
const SESSION_BUCKETS = [60, 600, 3600, 21_600, 86_400, 604_800];
const REPLAY_BUCKETS = [1, 10, 100, 1000, 10_000, 100_000];

/** The counters for `GET /metrics` and `/api/telemetry`. */
export class Metrics {
  readonly #registry = new Registry();
  readonly contentType = this.#registry.contentType;
  readonly expired = this.#counter('events_expired', 'Events removed because a limit of retention was passed', [
    'limit',
  ]);
  readonly resets = this.#counter('resets', 'Devices that got a snapshot because events were missing', ['reason']);
  readonly closed = this.#counter('connections_closed', 'WebSocket connections that ended', ['code']);
  readonly reconnections = this.#counter('reconnections', 'WebSocket connections of a device that had one before', []);
  readonly pushes = this.#counter('pushes', 'Pushes that came into a state', ['kind', 'state']);
  readonly pushSeconds = this.#histogram('push_seconds', 'From the event of a push to its acceptance by the service', {
    labelNames: ['kind'],
    buckets: WAIT_BUCKETS,
  });
  readonly webhookAttempts = this.#counter('webhook_attempts', 'Attempts to send to webhooks, by what came of them', [
    'type',
    'outcome',
  ]);
  readonly requests = this.#counter('http_requests', 'HTTP requests that were answered', ['method', 'route', 'status']);
  readonly requestSeconds = this.#histogram('http_request_seconds', 'Time to the end of an answer', {
    labelNames: ['method', 'route'],
    buckets: REQUEST_BUCKETS,
  });
  readonly frames = this.#counter('frames', 'Frames of clients that were served', ['type', 'outcome']);
  readonly frameSeconds = this.#histogram('frame_seconds', 'Time to serve a frame of a client', {
    labelNames: ['type'],
    buckets: FRAME_BUCKETS,
  });
  readonly delivered = this.#counter('events_delivered', 'Events by what became of them for each reader', ['outcome']);
  readonly events = this.#counter('events', 'Events that sessions have published', ['type']);
  readonly replayAge = this.#histogram('replay_age_seconds', 'Age of the oldest event that such a reader lacked', {
    buckets: SESSION_BUCKETS,
  });
  readonly replayed = this.#histogram('replayed_events', 'Events that a reader lacked when its stream began', {
    buckets: REPLAY_BUCKETS,
  });
  readonly sessionsMade = this.#counter('sessions_created', 'Sessions that were opened for the first time', []);
  readonly sessionsResumed = this.#counter('sessions_resumed', 'Starts of a CLI that goes on with a conversation', []);
  readonly sessionsReused = this.#counter('sessions_reused', 'Requests for a session of a directory that had one', []);
  readonly sessionsEnded = this.#counter('sessions_closed', 'Sessions that were closed', ['reason']);
  readonly sessionSeconds = this.#histogram('session_seconds', 'Age of a session when it was closed', {
    buckets: SESSION_BUCKETS,
  });
  readonly turns = this.#counter('turns', 'Turns that ended', ['subtype']);
  readonly turnSeconds = this.#histogram('turn_seconds', 'Duration of turns', { buckets: TURN_BUCKETS });
  readonly #tokens = this.#counter('tokens', 'Tokens of turns', ['kind', 'model']);
  readonly #dollars = this.#counter('cost_dollars', 'Cost of turns, as the CLI reckons it', ['model']);
  readonly #mcpCalls = this.#counter('mcp_calls', 'Uses of tools of MCP servers', ['server']);
  readonly toolCalls = this.#counter('mcp_tool_calls', 'Calls of tools of the daemon at `/mcp`', ['tool', 'outcome']);
  readonly #models = new FewNames();
  readonly #servers = new FewNames();
  readonly #lag = new LoopLag();
  #utilization = performance.eventLoopUtilization();

  constructor({ version, readings }: MetricsOptions) {
    this.#read('connections', 'WebSocket connections that are open', readings.connections);
    this.#read(
      'unsent_bytes',
      'Bytes that wait to be sent, of all connections and event streams',
      readings.unsentBytes,
    );
    this.#read('event_streams', 'Event streams, chats and waits over HTTP that are open', readings.eventStreams);
    this.#read('sessions', 'Sessions in the journal', readings.sessions);
    this.#read('children', 'Claude CLIs that run', readings.children);
    this.#read('max_children', 'How many of them may run', readings.maxChildren);
    this.#read('children_memory_bytes', 'Memory of those CLIs, without what their tools started', readings.childMemory);
    this.#read('waiting_for_child', 'Sessions that wait for a place among the CLIs', readings.waitingForChild);
    this.#read('queued_prompts', 'Prompts that wait', readings.queuedPrompts);
    this.#read('open_permissions', 'Requests that wait for a person', readings.openPermissions);
    this.#read('open_pushes', 'Pushes that are owed or being sent', readings.openPushes);
    this.#read('open_webhook_deliveries', 'Messages that webhooks are owed', readings.openWebhookDeliveries);
    this.#read('free_memory_bytes', 'Available on the machine, or to the group of the daemon', readings.freeMemory);
    this.#read('free_disk_bytes', 'Free on the disk of the home', readings.freeDisk);
    this.#readProcess();
    const registers = [this.#registry];
    const labelNames = ['version'];
    new Gauge({ name: 'companion_info', help: 'The running version', registers, labelNames }).set({ version }, 1);
  }

  push({ kind, state, createdAt, updatedAt }: PushRecord): void {
    this.pushes.inc({ kind, state });
    if (state === 'accepted') this.pushSeconds.observe({ kind }, Math.max(0, updatedAt - createdAt) / 1000);
  }

  /** What a turn has used; without a model, one that is not known. */
  spent({ model = 'unknown', cost = 0, usage = {} }: Spent): void {
    const labels = { model: this.#models.take(model) };
    if (cost > 0) this.#dollars.inc(labels, cost);
    for (const [kind, field] of TOKENS) {
      const count = usage[field];
      if (typeof count === 'number' && count > 0) this.#tokens.inc({ kind, ...labels }, count);
    }
  }

  mcpCall(server: string): void {
    this.#mcpCalls.inc({ server: this.#servers.take(server) });
  }

  /** Frames of all clients since the start. */
  countFrames(totals: () => FrameCounts): void {
    this.#total('frames_sent', 'Frames that were sent to clients', () => totals().sent);
    this.#total('frames_received', 'Frames that came from clients', () => totals().received);
    this.#total('frames_failed', 'Frames of clients that were answered with an error', () => totals().failed);
  }

  /** In the Prometheus text format. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** The same as values, by the name without prefix; a histogram has `_sum` and `_count`. */
  async samples(): Promise<Sample[]> {
    const metrics = await this.#registry.getMetricsAsJSON();
    return metrics.flatMap(({ name, values }) =>
      values.map(({ labels, value, metricName = name }: NamedValue) => ({
        name: metricName.slice(PREFIX.length),
        labels,
        value,
      })),
    );
  }

  close(): void {
    this.#lag.close();
  }

  #readProcess(): void {
    this.#read('uptime_seconds', 'Since the start of the daemon', () => process.uptime());
    this.#read('resident_memory_bytes', 'Memory of the daemon, without its children', () => process.memoryUsage.rss());
    this.#read('heap_used_bytes', 'Of JavaScript', () => process.memoryUsage().heapUsed);
    this.#read('event_loop_lag_seconds', 'Longest delay of the event loop since the last time this was read', () =>
      this.#lag.read(),
    );
    this.#read('event_loop_utilization', 'Share of time that the event loop was busy since this was last read', () => {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, this.#utilization);
      this.#utilization = now;
      return utilization;
    });
  }

  #counter(name: string, help: string, labelNames: string[]): Counter {
    return new Counter({ name: `${PREFIX}${name}_total`, help, labelNames, registers: [this.#registry] });
  }

  /** A counter that is counted elsewhere. */
  #total(name: string, help: string, read: () => number): void {
    const registers = [this.#registry];
    const counter: Counter = new Counter({
      name: `${PREFIX}${name}_total`,
      help,
      registers,
      collect: () => {
        counter.reset();
        counter.inc(read());
      },
    });
  }

  #histogram(name: string, help: string, options: { labelNames?: string[]; buckets: number[] }): Histogram {
    return new Histogram({ name: `${PREFIX}${name}`, help, ...options, registers: [this.#registry] });
  }

  #read(name: string, help: string, read: () => number | Promise<number>): void {
    const registers = [this.#registry];
    const gauge: Gauge = new Gauge({
      name: `${PREFIX}${name}`,
      help,
      registers,
      collect: async () => {
        const value = await read();
        if (Number.isFinite(value)) gauge.set(value);
      },
    });
  }
}

const PREFIX = 'companion_';

interface Spent {
  model?: string | undefined;
  /** US dollars. */
  cost?: number | undefined;
  usage?: Readonly<Record<string, unknown>> | undefined;
}

const TOKENS = [
  ['input', 'input_tokens'],
  ['output', 'output_tokens'],
  ['cacheRead', 'cache_read_input_tokens'],
  ['cacheWrite', 'cache_creation_input_tokens'],
] as const;

/** Names of servers and models come from settings of people and projects: more of them would make as many series. */
const MAX_NAMES = 50;

class FewNames {
  readonly #known = new Set<string>();

  /** The name itself while there are not too many. */
  take(name: string): string {
    if (this.#known.size < MAX_NAMES) this.#known.add(name);
    return this.#known.has(name) ? name : 'other';
  }
}

interface NamedValue {
  labels: Record<string, string | number | undefined>;
  value: number;
  metricName?: string;
}

export interface Sample {
  name: string;
  labels: Record<string, string | number | undefined>;
  value: number;
}
