import { HEARTBEAT_MS, PONG_TIMEOUT_MS, STALL_TIMEOUT_MS } from '../../protocol/limits.js';

/** A connection as its heartbeat sees it. */
export interface Pulse {
  ping(): void;
  /** Bytes that wait to be sent. */
  readonly unsent: number;
  /** Changes as long as the other side takes what it is sent. */
  readonly progress: string;
  /** Bytes that have come from the other side. */
  readonly received: number;
  /** No answer to a ping, and nothing else either. */
  onSilent(): void;
  /** It does not take what it is sent. */
  onStalled(): void;
}

/** How often all connections are looked at. */
const TICK_MS = 500;
/** Pings leave early enough for silence to be noticed within `HEARTBEAT_MS` and `PONG_TIMEOUT_MS`, ticks included. */
const PING_EVERY_MS = HEARTBEAT_MS - 2 * TICK_MS;

interface Beat {
  pulse: Pulse;
  nextPing: number;
  /** Until when a ping is to be answered. */
  deadline: number | undefined;
  received: number;
  progress: string;
  progressAt: number;
}

/**
 * Pings connections and says which of them are gone. Time is counted in ticks of our own event loop: while that is
 * busy with something else nobody can be heard, and nobody is blamed for it.
 */
export class Heartbeats {
  readonly #beats = new Set<Beat>();
  #timer: NodeJS.Timeout | undefined;
  #tickedAt = 0;
  #now = 0;

  /** The first pings of connections that came together are spread out. */
  watch(pulse: Pulse): { ponged(): void; close(): void } {
    const nextPing = this.#now + PING_EVERY_MS * (1 - Math.random() / 2);
    const beat: Beat = { pulse, nextPing, deadline: undefined, received: 0, progress: '', progressAt: this.#now };
    this.#beats.add(beat);
    this.#start();
    return {
      ponged: () => {
        beat.deadline = undefined;
      },
      close: () => this.#forget(beat),
    };
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
    for (const beat of this.#beats) this.#look(beat);
  }

  #look(beat: Beat): void {
    const { pulse } = beat;
    if (pulse.unsent === 0) beat.progressAt = this.#now;
    else if (pulse.progress !== beat.progress) this.#moved(beat);
    else if (this.#now - beat.progressAt >= STALL_TIMEOUT_MS) {
      pulse.onStalled();
      return;
    }
    if (beat.deadline === undefined) this.#pingWhenDue(beat);
    else if (pulse.received !== beat.received) this.#wait(beat);
    else if (this.#now >= beat.deadline && pulse.unsent === 0) pulse.onSilent();
  }

  /** What is on its way stands before the ping: as long as that moves, the answer may take its time. */
  #moved(beat: Beat): void {
    beat.progress = beat.pulse.progress;
    beat.progressAt = this.#now;
    if (beat.deadline !== undefined) this.#wait(beat);
  }

  #wait(beat: Beat): void {
    beat.received = beat.pulse.received;
    beat.deadline = this.#now + PONG_TIMEOUT_MS;
  }

  #pingWhenDue(beat: Beat): void {
    if (this.#now < beat.nextPing) return;
    beat.nextPing = this.#now + PING_EVERY_MS;
    this.#wait(beat);
    beat.pulse.ping();
  }
}
