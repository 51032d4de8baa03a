import type { SessionId } from '../../protocol/scalars.js';
import type { CursorStore, Journal } from '../ports/journal.js';
import type { Publication, PublishedSession, Publisher } from '../ports/publication.js';
import type { DeviceRef, UserId } from '../ports/records.js';
import type { SessionSource } from '../ports/session-source.js';
import { DeviceConnection } from './device-connection.js';
import type { FrameSink } from './frame-sink.js';
import { eventFrame, positionedFrame } from './frames.js';
import type { SharedFrame } from './session-stream.js';

export interface DeliveryOptions {
  journal: Journal;
  cursors: CursorStore;
  source: SessionSource;
}

export interface ConnectOptions {
  device: DeviceRef;
  sink: FrameSink;
  /** A newer connection of the same device has taken its place. */
  onReplaced: () => void;
  /** Reading from the journal failed: the connection cannot go on. */
  onError: (error: unknown) => void;
}

/** Brings what sessions publish to the connections of devices. */
export class Delivery implements Publisher {
  readonly #options: DeliveryOptions;
  readonly #connections = new Map<string, { connection: DeviceConnection; onReplaced: () => void }>();

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** A device is here. An older connection of it is told to go. */
  connect({ device, sink, onReplaced, onError }: ConnectOptions): DeviceConnection {
    const key = keyOf(device);
    const older = this.#connections.get(key);
    const connection = new DeviceConnection({
      ...this.#options,
      device,
      sink,
      onError,
      onClose: () => {
        if (this.#connections.get(key)?.connection === connection) this.#connections.delete(key);
      },
    });
    this.#connections.set(key, { connection, onReplaced });
    older?.connection.close();
    older?.onReplaced();
    return connection;
  }

  publish(session: PublishedSession, items: readonly Publication[]): void {
    if (items.length === 0) return;
    const shared = items.map((item) => share({ session, item, epoch: this.#options.journal.epoch }));
    for (const connection of this.#of(session.owner)) connection.stream(session.sessionId)?.offer(shared);
  }

  opened({ sessionId, owner }: PublishedSession): void {
    for (const connection of this.#of(owner)) connection.opened(sessionId);
  }

  forgotten(sessionId: SessionId): void {
    for (const { connection } of this.#connections.values()) connection.forget(sessionId);
  }

  *#of(owner: UserId): Generator<DeviceConnection> {
    for (const { connection } of this.#connections.values()) if (connection.device.userId === owner) yield connection;
  }
}

const keyOf = ({ userId, deviceId }: DeviceRef) => `${userId}/${deviceId}`;

interface ShareOptions {
  session: PublishedSession;
  item: Publication;
  epoch: string;
}

function share({ session: { sessionId }, item, epoch }: ShareOptions): SharedFrame {
  let text: string | undefined;
  const build = () =>
    item.kind === 'event'
      ? eventFrame({ sessionId, epoch, event: item.event, replayed: false })
      : positionedFrame(item.frame);
  return {
    item,
    text: () => {
      text ??= build();
      return text;
    },
  };
}
