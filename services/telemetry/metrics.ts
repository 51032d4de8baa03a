import { Counter, Gauge, Registry } from 'prom-client';

export interface MetricsOptions {
  version: string;
  connections: () => number;
  /** Bytes buffered for slow readers. */
  unsentBytes: () => number;
  sessions: () => number;
  /** Pushes that are owed or being sent. */
  openPushes: () => number;
}

/** The counters for `GET /metrics`. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #expired = this.#counter('events_expired', 'Events removed because a limit of retention was passed', [
    'limit',
  ]);
  readonly #resets = this.#counter('resets', 'Devices that got a snapshot because events were missing', ['reason']);
  readonly #closed = this.#counter('connections_closed', 'WebSocket connections that ended', ['code']);

  readonly #pushes = this.#counter('pushes', 'Pushes that came into a state', ['kind', 'state']);

  constructor({ version, connections, unsentBytes, sessions, openPushes }: MetricsOptions) {
    const registers = [this.#registry];
    this.#gauge('connections', 'WebSocket connections that are open', connections);
    this.#gauge('unsent_bytes', 'Bytes that wait to be sent, of all connections', unsentBytes);
    this.#gauge('sessions', 'Sessions in the journal', sessions);
    this.#gauge('open_pushes', 'Pushes that are owed or being sent', openPushes);
    this.#gauge('uptime_seconds', 'Since the start of the daemon', () => process.uptime());
    this.#gauge('resident_memory_bytes', 'Memory of the daemon, without its children', () => process.memoryUsage.rss());
    const labelNames = ['version'];
    new Gauge({ name: 'companion_info', help: 'The running version', registers, labelNames }).set({ version }, 1);
  }

  readonly contentType = this.#registry.contentType;

  expired(limit: string, events: number): void {
    this.#expired.inc({ limit }, events);
  }

  reset(reason: string): void {
    this.#resets.inc({ reason });
  }

  push(kind: string, state: string): void {
    this.#pushes.inc({ kind, state });
  }

  connectionClosed(code: number): void {
    this.#closed.inc({ code: String(code) });
  }

  /** All metrics in the Prometheus text format. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #counter(name: string, help: string, labelNames: string[]): Counter {
    return new Counter({ name: `companion_${name}_total`, help, labelNames, registers: [this.#registry] });
  }

  #gauge(name: string, help: string, read: () => number): void {
    const registers = [this.#registry];
    const gauge: Gauge = new Gauge({ name: `companion_${name}`, help, registers, collect: () => gauge.set(read()) });
  }
}
