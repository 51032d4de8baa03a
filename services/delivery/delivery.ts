import type { QueuedSession } from '../../protocol/rest.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { PositionedType } from '../../protocol/server-frames.js';
import { deviceKey } from '../model/devices.js';
import type { CursorStore, StoredCursor } from '../ports/cursors.js';
import type { Journal } from '../ports/journal.js';
import type { Publication, PublishedSession, Publisher } from '../ports/publication.js';
import type { DeviceRef, UserId } from '../ports/records.js';
import type { SessionSource } from '../ports/session-source.js';
import { type DeliveryParts, StreamIndex } from './delivery-parts.js';
import { DeviceConnection } from './device/device-connection.js';
import { PersonFeed, type PersonFeedOptions } from './feed/person-feed.js';
import { resetReason } from './feed/resume-verdict.js';
import { type FeedOptions, SessionFeed } from './feed/session-feed.js';
import { type Frame, FrameCache, type FrameSink, positionedFrame } from './frames.js';

export type DeliveryOptions = Omit<DeliveryParts, 'frames' | 'index'>;

export interface ConnectOptions {
  device: DeviceRef;
  /** The daemon generated the device id for this connection. */
  isNameless?: boolean;
  sink: FrameSink;
  owner: ConnectionOwner;
}

export interface ConnectionOwner {
  /** A newer connection of the same device has replaced it. */
  onReplaced(): void;
  /** Reading from the journal failed: the connection cannot continue. */
  onError(error: unknown): void;
}

/** Limit for slow readers: they must not block the removal of a forgotten session. */
const LAST_EVENTS_MS = 5000;

/** Delivers what sessions publish to the connections of devices. */
export class Delivery implements Publisher {
  readonly #parts: DeliveryParts;
  readonly #connections = new Map<string, { connection: DeviceConnection; owner: ConnectionOwner }>();

  readonly #feeds = new Set<SessionFeed>();
  readonly #personFeeds = new Set<PersonFeed>();

  constructor(options: DeliveryOptions) {
    this.#parts = { ...options, frames: new FrameCache(options.journal.epoch), index: new StreamIndex() };
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** The connected devices of a person. */
  connectionsOf(userId: UserId): number {
    return [...this.#of(userId)].length;
  }

  isConnected(device: DeviceRef): boolean {
    return this.#connections.has(deviceKey(device));
  }

  /** Bytes buffered in this process for slow readers. */
  get unsentBytes(): number {
    let bytes = 0;
    for (const { connection } of this.#connections.values()) bytes += connection.unsent;
    return bytes;
  }

  /** Connects a device. An older connection of it is told that it was replaced. */
  connect({ device, isNameless = false, sink, owner }: ConnectOptions): DeviceConnection {
    const key = deviceKey(device);
    const older = this.#connections.get(key);
    const onClose = () => {
      if (this.#connections.get(key)?.connection === connection) this.#connections.delete(key);
    };
    const onError = (error: unknown) => owner.onError(error);
    const connection = new DeviceConnection({ parts: this.#parts, device, isNameless, sink, onError, onClose });
    this.#connections.set(key, { connection, owner });
    older?.connection.close();
    older?.owner.onReplaced();
    return connection;
  }

  /** seq of the last published event; undefined for a session that is not the person's. */
  headOf(userId: UserId, sessionId: SessionId): number | undefined {
    return this.#parts.source.head(userId, sessionId);
  }

  /** Opens one session for a reader without a device. Throws `SESSION_NOT_FOUND`. */
  openFeed(options: FeedOptions): SessionFeed {
    const onEnd = (error?: unknown) => {
      this.#feeds.delete(feed);
      options.onEnd(error);
    };
    const feed: SessionFeed = SessionFeed.open(this.#parts, { ...options, onEnd });
    this.#feeds.add(feed);
    return feed;
  }

  /** Opens all sessions of a person for a reader without a device. */
  openPersonFeed(options: PersonFeedOptions): PersonFeed {
    const { source, journal } = this.#parts;
    const feed: PersonFeed = new PersonFeed(options, {
      epoch: journal.epoch,
      owned: () => source.owned(options.userId),
      openFeed: (one) => this.openFeed(one),
      onClose: () => this.#personFeeds.delete(feed),
    });
    this.#personFeeds.add(feed);
    return feed;
  }

  /** The undelivered events of a device; undefined for a device that never subscribed. */
  queueOf(device: DeviceRef): QueuedSession[] | undefined {
    return readDeviceQueue(this.#parts, device);
  }

  publish({ sessionId }: PublishedSession, items: readonly Publication[]): void {
    if (items.length === 0 || !this.#parts.index.has(sessionId)) return;
    const shared = items.map((item) => ({ item, frame: this.#frameOf(sessionId, item) }));
    for (const stream of this.#parts.index.of(sessionId)) stream.offer(shared);
  }

  isNamed(owner: UserId, type: PositionedType): boolean {
    return [...this.#of(owner)].some(({ filter }) => filter.names(type));
  }

  opened({ sessionId, owner }: PublishedSession): void {
    for (const connection of this.#of(owner)) connection.opened(sessionId);
    for (const feed of this.#personFeeds) if (feed.userId === owner) feed.opened(sessionId);
  }

  async forgotten(sessionId: SessionId): Promise<void> {
    const streams = [...this.#connections.values()].flatMap(
      ({ connection }) => connection.streams.get(sessionId) ?? [],
    );
    const feeds = [...this.#feeds].filter((feed) => feed.sessionId === sessionId);
    const sent = [...streams, ...feeds].map((reader) => reader.untilSent());
    await noLonger(Promise.all(sent), LAST_EVENTS_MS);
    for (const { connection } of this.#connections.values()) connection.forgetFully(sessionId);
    for (const feed of feeds) feed.close();
  }

  #frameOf(sessionId: SessionId, item: Publication): Frame {
    if (item.kind === 'event') return this.#parts.frames.get(sessionId, item.event, 'live');
    return positionedFrame(item.frame);
  }

  *#of(owner: UserId): Generator<DeviceConnection> {
    for (const { connection } of this.#connections.values()) if (connection.device.userId === owner) yield connection;
  }
}

/** Resolves with this promise, or after this many milliseconds. */
async function noLonger(wanted: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const overdue = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms).unref();
  });
  await Promise.race([wanted, overdue]);
  clearTimeout(timer);
}

interface QueueSources {
  journal: Journal;
  cursors: CursorStore;
  source: SessionSource;
}

/** The undelivered events of a device in each session that it follows; undefined for a device that never subscribed. */
function readDeviceQueue(sources: QueueSources, device: DeviceRef): QueuedSession[] | undefined {
  const { journal, cursors, source } = sources;
  const subscription = cursors.readSubscription(device);
  if (!subscription) return undefined;
  const known = cursors.readCursors(device);
  const followed = new Set([...known.keys(), ...(subscription.all ? source.owned(device.userId) : [])]);
  const queued: QueuedSession[] = [];
  for (const sessionId of followed) {
    const head = source.head(device.userId, sessionId);
    const cursor = known.get(sessionId) ?? { epoch: journal.epoch, seq: 0 };
    if (head !== undefined) queued.push(queueOf(journal, { sessionId, cursor, head }));
  }
  return queued;
}

interface Followed {
  sessionId: SessionId;
  cursor: StoredCursor;
  head: number;
}

function queueOf(journal: Journal, { sessionId, cursor, head }: Followed): QueuedSession {
  const reason = resetReason({ cursor, head, epoch: journal.epoch, first: journal.firstSeq(sessionId) });
  const nothing = { sessionId, depth: 0, oldest: null, newest: null, from: head, head };
  if (reason) return { ...nothing, resume: 'reset', reason };
  if (cursor.seq === head) return { ...nothing, resume: 'replay' };
  const timeOf = (seq: number): string | null => {
    const event = journal.findEvent(sessionId, seq);
    return event ? new Date(event.at).toISOString() : null;
  };
  return {
    sessionId,
    depth: head - cursor.seq,
    oldest: timeOf(cursor.seq + 1),
    newest: timeOf(head),
    from: cursor.seq,
    head,
    resume: 'replay',
  };
}
