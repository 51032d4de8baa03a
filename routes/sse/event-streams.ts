import { CompanionError } from '../../protocol/error-codes.js';
import type { IsVoid, Principal } from '../../services/identity/principal.js';
import type { UserId } from '../../services/ports/records.js';
import type { EventBlocks } from './event-blocks.js';

/** A stream with a reader. */
interface OpenStream {
  readonly principal: Principal;
  /** Bytes that have not left this process. */
  readonly unsent: number;
  /** Its credential is invalid. */
  expel(): void;
  end(): void;
}

/** The open event streams of the daemon. */
export class EventStreams {
  readonly blocks: EventBlocks;
  readonly #open = new Set<OpenStream>();

  constructor(blocks: EventBlocks) {
    this.blocks = blocks;
  }

  get count(): number {
    return this.#open.size;
  }

  /** Of one person. They count towards the same limit as WebSockets. */
  countOf(userId: UserId): number {
    return [...this.#open].filter(({ principal }) => principal.userId === userId).length;
  }

  /** Opened with one key. */
  countOfKey(key: Principal['key']): number {
    return [...this.#open].filter(({ principal }) => key !== undefined && principal.key?.keyId === key.keyId).length;
  }

  /** Bytes buffered in this process for slow readers. */
  get unsentBytes(): number {
    return [...this.#open].reduce((sum, { unsent }) => sum + unsent, 0);
  }

  add(stream: OpenStream): void {
    this.#open.add(stream);
  }

  remove(stream: OpenStream): void {
    this.#open.delete(stream);
  }

  /** Ends the streams whose credential is now invalid. */
  expel(isVoid: IsVoid): void {
    for (const stream of this.#open) {
      const { principal } = stream;
      if (isVoid(principal, principal.device?.deviceId)) stream.expel();
    }
  }

  /** Ends all streams: their readers come back by themselves. */
  close(): void {
    for (const stream of this.#open) stream.end();
  }
}

/** Suggested retry delay when there are too many connections. */
const CONNECTIONS_RETRY_MS = 5000;

/** `others`: the person's other connections. Throws `RATE_LIMITED` when there is no room for one more. */
export function requireConnectionRoom(others: number, most: number): void {
  if (others >= most) throw tooManyConnections(`A person has at most ${most} connections.`);
}

/** `others`: the other connections of the key of the same kind. Throws `RATE_LIMITED` when the key has no room. */
export function requireKeyRoom(key: Principal['key'], others: number): void {
  const { connections: most = Number.POSITIVE_INFINITY } = key?.limits ?? {};
  if (others >= most) throw tooManyConnections(`This key has at most ${most} connections.`);
}

const tooManyConnections = (message: string) =>
  new CompanionError('RATE_LIMITED', message, { retryAfterMs: CONNECTIONS_RETRY_MS });
