import type { DeviceId } from '../../protocol/scalars.js';
import type { ClientView } from '../../protocol/telemetry.js';
import type { DeviceRef, UserId } from '../ports/records.js';

/** Frames of one connection. */
export interface FrameCounts {
  sent: number;
  received: number;
  /** Frames of the client that were answered with an error. */
  failed: number;
}

/** A connected client. */
export interface ConnectedClient {
  clientId: string;
  device: DeviceRef;
  counts: () => FrameCounts;
  unsentBytes: () => number;
}

/** Devices that are remembered, to tell a reconnection from a first one. */
const MAX_KNOWN = 1000;

/** The WebSocket clients and their traffic. */
export class Clients {
  readonly #now: () => number;
  readonly #open = new Map<ConnectedClient, number>();
  readonly #past: FrameCounts = { sent: 0, received: 0, failed: 0 };
  readonly #known = new Map<string, number>();

  /** `now`: epoch milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Returns whether the device had a connection before. */
  opened(client: ConnectedClient): boolean {
    this.#open.set(client, this.#now());
    const key = keyOf(client.device);
    const before = this.#known.get(key) ?? 0;
    this.#known.delete(key);
    this.#known.set(key, before + 1);
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_KNOWN && oldest !== undefined) this.#known.delete(oldest);
    return before > 0;
  }

  closed(client: ConnectedClient): void {
    if (!this.#open.delete(client)) return;
    add(this.#past, client.counts());
  }

  /** Of all clients since the start of the daemon. */
  totals(): FrameCounts {
    const sum = { ...this.#past };
    for (const { counts } of this.#open.keys()) add(sum, counts());
    return sum;
  }

  /** A connected client of a person, by the id from its `welcome` or by its device. */
  find(userId: UserId, id: string): ClientView | undefined {
    for (const [client, since] of this.#open) {
      const { clientId, device } = client;
      if (device.userId !== userId || (clientId !== id && device.deviceId !== (id as DeviceId))) continue;
      return {
        clientId,
        deviceId: device.deviceId,
        connectedAt: new Date(since).toISOString(),
        connections: this.#known.get(keyOf(device)) ?? 1,
        totalMessages: client.counts(),
        unsentBytes: client.unsentBytes(),
      };
    }
    return undefined;
  }
}

const keyOf = ({ userId, deviceId }: DeviceRef): string => `${userId} ${deviceId}`;

function add(sum: FrameCounts, { sent, received, failed }: FrameCounts): void {
  sum.sent += sent;
  sum.received += received;
  sum.failed += failed;
}
