/** Which events concern a person. */

import type { EventData, EventType } from '../../protocol/events.js';
import type { PUSH_KINDS } from '../../protocol/push-preferences.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { EventRecord } from '../ports/records.js';
import { isLimit } from './turn-limits.js';

export type ConcernKind = (typeof PUSH_KINDS)[number];
export type WaitingKind = Extract<ConcernKind, 'permission' | 'question' | 'plan'>;
export type ResultKind = Exclude<ConcernKind, WaitingKind>;

interface Place {
  sessionId: SessionId;
  seq: number;
  /** When it happened, in epoch milliseconds. */
  at: number;
}

/** Something that goes on only when a person has answered. */
export interface WaitingConcern extends Place {
  kind: WaitingKind;
  request: EventData<'permissionRequest'>;
}

/** How something ended. */
export type ResultConcern =
  | (Place & { kind: Exclude<ResultKind, 'given_up'>; turn: EventData<'streamComplete'> })
  | (Place & { kind: 'given_up'; message: string });

export type Concern = WaitingConcern | ResultConcern;

/** An event with the `data` of its type. */
export type SaidEvent = { [T in EventType]: { type: T; data: EventData<T> } }[EventType];

/** What of it concerns a person; undefined: nothing. */
export function kindOf(event: SaidEvent): ConcernKind | undefined {
  switch (event.type) {
    case 'permissionRequest':
      return event.data.kind === 'tool' ? 'permission' : event.data.kind;
    case 'streamComplete':
      return kindOfTurn(event.data);
    case 'error':
      return event.data.givenUp ? 'given_up' : undefined;
    case 'assistantMessage':
    case 'humanMessage':
    case 'permissionResolved':
    case 'sessionStatus':
    case 'systemInit':
    case 'toolResult':
    case 'toolUse':
      return undefined;
  }
}

/** A turn that a person has stopped is no news to them. One that the CLI began by itself is like any other. */
function kindOfTurn(turn: EventData<'streamComplete'>): ConcernKind | undefined {
  if (turn.subtype === 'interrupted') return undefined;
  if (isLimit(turn)) return 'limit';
  return turn.isError || turn.subtype !== 'success' ? 'turn_failed' : 'turn_complete';
}

const CONCERNING: ReadonlySet<EventType> = new Set<EventType>(['permissionRequest', 'streamComplete', 'error']);

/** The concern of an event of the record. Reads `data` only of events that may have one. */
export function concernOf(sessionId: SessionId, record: EventRecord): Concern | undefined {
  if (!CONCERNING.has(record.type)) return undefined;
  const said = { type: record.type, data: JSON.parse(record.data) } as SaidEvent;
  const kind = kindOf(said);
  if (kind === undefined) return undefined;
  const place = { sessionId, seq: record.seq, at: record.at };
  switch (said.type) {
    case 'permissionRequest':
      return { ...place, kind: kind as WaitingKind, request: said.data };
    case 'streamComplete':
      return { ...place, kind: kind as Exclude<ResultKind, 'given_up'>, turn: said.data };
    case 'error':
      return { ...place, kind: 'given_up', message: said.data.message };
    default:
      return undefined;
  }
}

export const isWaiting = (concern: Concern): concern is WaitingConcern => 'request' in concern;
