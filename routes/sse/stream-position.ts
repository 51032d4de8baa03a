/** Positions of readers, as the ids of events have them. */
import { createHash } from 'node:crypto';
import type { Request } from 'express';
import type { Cursor } from '../../protocol/client-frames.js';
import { invalid } from '../../protocol/error-codes.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { ResumeReason } from '../../protocol/server-frames.js';

/** A position as a client gave it, with the field it is from: the header of a reconnected reader goes before the query. */
export interface GivenPosition {
  field: 'Last-Event-ID' | 'after';
  text: string;
}

export function givenPosition(request: Request, after: string | undefined): GivenPosition | undefined {
  const header = request.headers['last-event-id'];
  if (typeof header === 'string' && header !== '') return { field: 'Last-Event-ID', text: header };
  return after === undefined ? undefined : { field: 'after', text: after };
}

const EPOCH = /^[\w-]{1,64}$/;
const START = '0';

/** The position in one session; `0` is that before its first event. Throws `INVALID_REQUEST`. */
export function parsePosition({ field, text }: GivenPosition, epoch: string): Cursor {
  if (text === START) return { epoch, seq: 0 };
  const [, given = '', digits = ''] = /^([^:]*):(\d{1,16})$/.exec(text) ?? [];
  const seq = Number(digits);
  if (EPOCH.test(given) && Number.isSafeInteger(seq)) return { epoch: given, seq };
  throw invalid(field, 'must be <epoch>:<seq>, as the id of an event, or 0');
}

const DIGEST_LENGTH = 8;
const RADIX = 36;
const ENTRY = /^[\w-]{8}\.[0-9a-z]{1,11}$/;

/** Short, since the id of each event names all sessions of the person: 48 bits do not collide among so few. */
const digestOf = (sessionId: SessionId): string =>
  createHash('sha256').update(sessionId).digest('base64url').slice(0, DIGEST_LENGTH);

/** The position of a reader of all sessions of a person: its seq in each. */
export class PersonPosition {
  readonly #epoch: string;
  readonly #seqs = new Map<SessionId, { digest: string; seq: number }>();

  constructor(epoch: string) {
    this.#epoch = epoch;
  }

  move(sessionId: SessionId, seq: number): void {
    const known = this.#seqs.get(sessionId);
    if (known) known.seq = seq;
    else this.#seqs.set(sessionId, { digest: digestOf(sessionId), seq });
  }

  /** `<epoch>:<session>.<seq>,…` */
  get id(): string {
    const entries = [...this.#seqs.values()].map(({ digest, seq }) => `${digest}.${seq.toString(RADIX)}`);
    return `${this.#epoch}:${entries.join(',')}`;
  }
}

/**
 * The given position in a session of a person. A session that it does not name began after it. Throws
 * `INVALID_REQUEST`.
 */
export function parsePersonPosition({ field, text }: GivenPosition, epoch: string): (sessionId: SessionId) => Cursor {
  if (text === START) return () => ({ epoch, seq: 0 });
  const colon = text.indexOf(':');
  const given = text.slice(0, colon);
  const entries = text
    .slice(colon + 1)
    .split(',')
    .filter((entry) => entry !== '');
  if (colon < 0 || !EPOCH.test(given) || !entries.every((entry) => ENTRY.test(entry))) {
    throw invalid(field, 'must be the id of an event of this stream, or 0');
  }
  const seqs = new Map(
    entries.map((entry) => [entry.slice(0, DIGEST_LENGTH), Number.parseInt(entry.slice(DIGEST_LENGTH + 1), RADIX)]),
  );
  return (sessionId) => ({ epoch: given, seq: seqs.get(digestOf(sessionId)) ?? 0 });
}

/** What is wrong with a position that is not in the record; nothing where the record is too short for it. */
export function positionError({ field }: GivenPosition, reason: ResumeReason, { epoch, head }: Place) {
  if (reason === 'retention') return undefined;
  const rule =
    reason === 'epoch' ? `must be of the epoch ${epoch}` : `must be at most ${epoch}:${head}, the last event`;
  return { code: 'INVALID_REQUEST' as const, message: `${field}: ${rule}`, details: { field, rule } };
}

interface Place {
  epoch: string;
  head: number;
}
