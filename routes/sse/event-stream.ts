import type { Response } from 'express';
import type { ErrorCode } from '../../protocol/error-codes.js';
import { EVENT_STREAM_HEARTBEAT_MS, STALL_TIMEOUT_MS } from '../../protocol/limits.js';
import type { Principal } from '../../services/identity/principal.js';
import { requirePrincipal } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';
import { CredentialWatch } from '../ws/socket-connection.js';
import { ownBlock } from './event-blocks.js';
import { type BlockView, EventSink } from './event-sink.js';
import { requireConnectionRoom, requireKeyRoom } from './event-streams.js';

/** Of every event stream. */
export const EVENT_STREAM_HEADERS = {
  'Content-Type': 'text/event-stream',
  // Compression would hold events back, and a cache would keep a person's data.
  'Cache-Control': 'no-store, no-transform',
  'X-Accel-Buffering': 'no',
};

/** How soon a reader comes back after the stream was cut, in milliseconds. */
const RETRY_MS = 1000;
const HEARTBEAT = ': still here\n\n';
/** A stalled reader is noticed within this time after `STALL_TIMEOUT_MS`. */
const LOOK_MS = 5000;
/** An expelled reader can read the reason within this time. */
const EXPEL_MS = 800;

/** What is read on a stream. */
export interface Source {
  /** The reader has taken what it was sent. */
  drained(): void;
  close(): void;
}

export interface EventStreamOptions {
  services: RouteServices;
  response: Response;
  view: BlockView;
  /** The local socket counts no connections. */
  isCounted: boolean;
}

/** One reader of an event stream, from its headers to its end. */
export class EventStream {
  readonly principal: Principal;
  readonly sink: EventSink;
  readonly #services: RouteServices;
  readonly #response: Response;
  readonly #credential: CredentialWatch;
  readonly #timer: NodeJS.Timeout;
  #source: Source | undefined;
  #isOver = false;
  #looks = 0;
  #progress = '';
  #stillLooks = 0;

  /** Throws `RATE_LIMITED` when the person has too many connections. Nothing is sent before `begin`. */
  constructor({ services, response, view, isCounted }: EventStreamOptions) {
    this.#services = services;
    this.#response = response;
    this.principal = requirePrincipal(response);
    const { userId, expiresAt } = this.principal;
    if (isCounted) {
      const others = services.delivery.connectionsOf(userId) + services.eventStreams.countOf(userId);
      requireConnectionRoom(others, services.admission.limits.settings.connections);
      const { key } = this.principal;
      requireKeyRoom(key, services.eventStreams.countOfKey(key));
    }
    this.sink = new EventSink({ response, blocks: services.eventStreams.blocks, view, owner: this });
    this.#credential = new CredentialWatch({
      now: services.now,
      onExpiring: () => {},
      onExpired: () => this.expel(),
    });
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
    services.eventStreams.add(this);
    response.once('close', () => this.#close());
    this.#credential.follow(expiresAt);
  }

  get unsent(): number {
    return this.sink.unsent;
  }

  /** Sends the headers and the first blocks; the source follows. */
  begin(source: Source, first: string): void {
    this.#source = source;
    this.#response.writeHead(200, EVENT_STREAM_HEADERS);
    this.sink.write(`retry: ${RETRY_MS}\n${first}`);
  }

  /** Sends what is pending, then the end. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#source?.close();
    this.sink.end();
  }

  /** The credential is revoked or has expired: the reader is told, and does not come back with it. */
  expel(): void {
    this.fail('UNAUTHORIZED', 'The credential is expired or revoked.');
    setTimeout(() => this.#response.destroy(), EXPEL_MS).unref();
  }

  /** The source has ended by itself: what it followed is gone, or reading has failed. */
  sourceEnded(error: unknown): void {
    if (this.#isOver) return;
    const words = String(error);
    if (error === undefined) {
      this.fail('SESSION_NOT_FOUND', 'There is no such session.');
      return;
    }
    this.#services.log.error('an event stream failed', { error: words });
    this.fail('INTERNAL_ERROR', 'The stream could not continue.');
  }

  /** Ends the stream with an `error` event. */
  fail(code: ErrorCode, message: string): void {
    if (this.#isOver) return;
    this.sink.write(ownBlock('error', { code, message }));
    this.end();
  }

  onDrained(): void {
    this.#source?.drained();
  }

  /** Its last id says where to resume. */
  onTooSlow(): void {
    this.#isOver = true;
    this.#source?.close();
    this.#response.destroy();
  }

  #look(): void {
    this.#looks += 1;
    const { unsent, progress } = this.sink;
    const isStill = unsent > 0 && progress === this.#progress;
    this.#progress = progress;
    this.#stillLooks = isStill ? this.#stillLooks + 1 : 0;
    if (this.#stillLooks * LOOK_MS >= STALL_TIMEOUT_MS) this.onTooSlow();
    else if (unsent === 0 && (this.#looks * LOOK_MS) % EVENT_STREAM_HEARTBEAT_MS === 0) this.sink.write(HEARTBEAT);
  }

  #close(): void {
    this.#isOver = true;
    clearInterval(this.#timer);
    this.#credential.close();
    this.#services.eventStreams.remove(this);
    this.#source?.close();
  }
}
