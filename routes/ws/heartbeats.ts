import { HEARTBEAT_MS, PONG_TIMEOUT_MS, STALL_TIMEOUT_MS } from '../../protocol/limits.js';

/** A connection from the view of its heartbeat. */
export interface Pulse {
  ping(): void;
  /** Bytes that wait to be sent. */
  readonly unsent: number;
  /** Changes as long as the client reads its data. */
  readonly progress: string;
  /** Bytes received from the client. */
  readonly received: number;
  /** Reading is paused, so the client cannot be heard. */
  readonly isUnheard: boolean;
  /** Neither an answer to a ping nor other data arrived. */
  onSilent(): void;
  /** The client does not read its data. */
  onStalled(): void;
}

/** Interval of the checks of connections with a pending deadline; every fourth check covers all. */
const TICK_MS = 500;
const TICKS_BETWEEN_LOOKS = 4;
/** Pings are sent early enough to detect silence within `HEARTBEAT_MS` and `PONG_TIMEOUT_MS`, ticks included. */
const PING_EVERY_MS = HEARTBEAT_MS - 2 * TICK_MS;

/**
 * Pings connections and reports dead ones. Time is counted in ticks of the daemon's own event loop: while it is
 * blocked, no client can be heard, so none is blamed.
 */
export class Heartbeats {
  readonly #beats = new Set<Beat>();
  #timer: NodeJS.Timeout | undefined;
  #tickedAt = 0;
  #ticks = 0;
  #now = 0;

  /** The first pings of simultaneous connections are spread out. */
  watch(pulse: Pulse): Beat {
    const beat = new Beat(pulse, this.#now, (done) => this.#forget(done));
    this.#beats.add(beat);
    this.#start();
    return beat;
  }

  #start(): void {
    if (this.#timer) return;
    this.#tickedAt = performance.now();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
  }

  #forget(beat: Beat): void {
    this.#beats.delete(beat);
    if (this.#beats.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    const at = performance.now();
    this.#now += Math.min(at - this.#tickedAt, 2 * TICK_MS);
    this.#tickedAt = at;
    this.#ticks += 1;
    const isFullLook = this.#ticks % TICKS_BETWEEN_LOOKS === 0;
    for (const beat of this.#beats) if (isFullLook || beat.isDue(this.#now)) beat.look(this.#now);
  }
}

/** One connection's heartbeat. Times are those of `Heartbeats`. */
export class Beat {
  readonly #pulse: Pulse;
  readonly #forget: (beat: Beat) => void;
  #nextPing: number;
  /** The deadline for the answer to a ping; 0 without one. */
  #deadline = 0;
  #received = 0;
  #heardAt: number;
  #progress = '';
  #progressAt: number;

  constructor(pulse: Pulse, now: number, forget: (beat: Beat) => void) {
    this.#pulse = pulse;
    this.#forget = forget;
    this.#nextPing = now + PING_EVERY_MS * (1 - Math.random() / 4);
    this.#heardAt = now;
    this.#progressAt = now;
  }

  ponged(): void {
    this.#deadline = 0;
  }

  close(): void {
    this.#forget(this);
  }

  /** Whether a ping, or the answer to one, is due. */
  isDue(now: number): boolean {
    return this.#deadline !== 0 || now >= this.#nextPing;
  }

  look(now: number): void {
    const { unsent, received } = this.#pulse;
    if (received !== this.#received || this.#pulse.isUnheard) this.#heard(now, received);
    if (unsent === 0) this.#progressAt = now;
    else if (this.#pulse.progress !== this.#progress) this.#moved(now);
    else if (this.#isStalled(now)) {
      this.#pulse.onStalled();
      return;
    }
    if (this.#deadline === 0) this.#pingWhenDue(now);
    else if (now >= this.#deadline && unsent === 0) this.#pulse.onSilent();
  }

  /** It reads nothing; or it read until the system's buffer was full, and sent nothing in all that time. */
  #isStalled(now: number): boolean {
    const isUnanswered = this.#deadline !== 0 && now >= this.#deadline && now - this.#heardAt >= STALL_TIMEOUT_MS;
    return isUnanswered || now - this.#progressAt >= STALL_TIMEOUT_MS;
  }

  #heard(now: number, received: number): void {
    this.#received = received;
    this.#heardAt = now;
    if (this.#deadline !== 0) this.#deadline = now + PONG_TIMEOUT_MS;
  }

  /** Pending data precedes the ping: as long as it makes progress, the answer can be late. */
  #moved(now: number): void {
    this.#progress = this.#pulse.progress;
    this.#progressAt = now;
    if (this.#deadline !== 0) this.#deadline = now + PONG_TIMEOUT_MS;
  }

  #pingWhenDue(now: number): void {
    if (now < this.#nextPing) return;
    this.#nextPing = now + PING_EVERY_MS;
    this.#deadline = now + PONG_TIMEOUT_MS;
    this.#pulse.ping();
  }
}
