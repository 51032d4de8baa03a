import { setTimeout as delay } from 'node:timers/promises';
import type { ClientFrameType, ClientInput } from '../../protocol/client-frames.js';
import { connect, type Frame, type WireClient } from '../support/wire-client.js';
import { ConnectionLedger } from './connection-ledger.js';
import type { Ledger } from './ledger.js';
import type { MortalDaemon } from './mortal-daemon.js';
import type { Random } from './random.js';

export interface WanderingDeviceOptions {
  deviceId: string;
  daemon: MortalDaemon;
  ledger: Ledger;
  random: Random;
  /** It begins to connect. */
  onArrival: () => void;
  /** A piece of a text has come. */
  onPiece: () => void;
}

interface Attached {
  client: WireClient;
  seen: ConnectionLedger;
}

const RETRY_MS = 5;
const LONGEST_STAY_MS = 1500;
const ABSENCE_MS = 150;
const LONG_ABSENCE_MS = 3000;
const LONGEST_THOUGHT_MS = 120;

/** A device as people carry them: it comes, is cut off, comes back, acknowledges now and then, answers what it is asked. */
export class WanderingDevice {
  readonly #options: WanderingDeviceOptions;
  readonly #random: Random;
  #arriving: ConnectionLedger | undefined;
  #here: Attached | undefined;
  #arrived: (() => void)[] = [];
  #settled = false;
  #stopped = false;
  #life: Promise<void> | undefined;
  /** Requests that wait for their answer, over all connections. */
  asking = 0;

  constructor(options: WanderingDeviceOptions) {
    this.#options = options;
    this.#random = options.random;
  }

  /** What came on the connection that there is now, from its first moment on. */
  get seen(): ConnectionLedger | undefined {
    return this.#here?.seen ?? this.#arriving;
  }

  live(): void {
    this.#life = this.#wander();
  }

  /** From here on it stays as long as the daemon does. */
  settle(): void {
    this.#settled = true;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#leave();
    await this.#life;
  }

  /** Hard: nothing is said to the daemon. */
  #leave(): void {
    this.#here?.client.terminate();
    this.#here = undefined;
  }

  /** Asks until there is an answer: on another connection, with the same request id, when one breaks. */
  async ask<T extends ClientFrameType>(type: T, data: ClientInput<T>, requestId: string): Promise<Frame> {
    this.asking += 1;
    try {
      for (;;) {
        const { client } = await this.#attached();
        const answer = await client.request(type, data, requestId).catch(() => undefined);
        if (answer) return answer;
      }
    } finally {
      this.asking -= 1;
    }
  }

  #attached(): Promise<Attached> {
    if (this.#stopped) return Promise.reject(new Error('the device was stopped'));
    if (this.#here) return Promise.resolve(this.#here);
    return new Promise((resolve, reject) => {
      this.#arrived.push(() => void this.#attached().then(resolve, reject));
    });
  }

  async #wander(): Promise<void> {
    while (!this.#stopped) {
      const attached = await this.#connect();
      if (!attached) {
        await delay(RETRY_MS);
        continue;
      }
      this.#here = attached;
      for (const tell of this.#arrived.splice(0)) tell();
      await this.#stay(attached);
      this.#leave();
      await this.#beAway();
    }
    for (const tell of this.#arrived.splice(0)) tell();
  }

  /** Mostly for a moment, sometimes for several lives of the daemon. */
  async #beAway(): Promise<void> {
    const longest = this.#random.chance(0.1) ? LONG_ABSENCE_MS : ABSENCE_MS;
    const until = performance.now() + this.#random.integer(longest);
    while (!this.#settled && !this.#stopped && performance.now() < until) await delay(RETRY_MS);
  }

  async #connect(): Promise<Attached | undefined> {
    const { daemon, ledger, deviceId } = this.#options;
    const { url } = daemon;
    if (url === undefined) return undefined;
    const seen = new ConnectionLedger(deviceId, ledger);
    this.#arriving = seen;
    this.#options.onArrival();
    try {
      const client = await connect({ url }, { deviceId, onFrame: (frame) => this.#take(seen, frame) });
      return { client, seen };
    } catch {
      return undefined;
    } finally {
      this.#arriving = undefined;
    }
  }

  /** Until it has had enough or the connection breaks; now and then it acknowledges what it has. */
  async #stay({ client, seen }: Attached): Promise<void> {
    let isOpen = true;
    const closed = client.closed.then(() => {
      isOpen = false;
    });
    const until = performance.now() + this.#random.integer(LONGEST_STAY_MS);
    while (isOpen && !this.#stopped && (this.#settled || performance.now() < until)) {
      await Promise.race([closed, delay(20 + this.#random.integer(100))]);
      if (isOpen && this.#random.chance(0.5)) this.#acknowledge(client, seen);
    }
  }

  #acknowledge(client: WireClient, seen: ConnectionLedger): void {
    const { ledger, deviceId } = this.#options;
    for (const [sessionId, seq] of seen.positions) {
      if (seq <= ledger.acknowledgedUpTo(deviceId, sessionId)) continue;
      ledger.acknowledged(deviceId, sessionId, seq);
      client.send('ack', { sessionId, seq });
    }
  }

  #take(seen: ConnectionLedger, frame: Frame): void {
    seen.take(frame);
    if (seen.isStreaming) this.#options.onPiece();
    if (frame.type === 'error' && frame.seq === undefined) this.#refused(frame);
    if (frame.type === 'permissionRequest') void this.#answer(frame);
  }

  /** All that may be refused here is an answer to a permission that another device, or this one before, has decided. */
  #refused({ data }: Frame): void {
    if (data.code !== 'ALREADY_RESOLVED') this.#options.ledger.violate(`refused: ${JSON.stringify(data)}`);
  }

  /** Each device makes up its own mind; the first to be heard decides. One that is asked again answers again. */
  async #answer({ data: { sessionId, permissionId } }: Frame): Promise<void> {
    await delay(this.#random.integer(LONGEST_THOUGHT_MS));
    const { ledger } = this.#options;
    if (!this.#here || !ledger.isOpen(permissionId)) return;
    const response = this.#random.chance(0.7) ? 'y' : 'n';
    this.#here.client.send('permission', { sessionId, permissionId, response, remember: false });
  }
}
