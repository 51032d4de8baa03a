/** Which events concern a person. */
import type { EventData, EventType } from '../../../protocol/events.js';
import type { PUSH_KINDS } from '../../../protocol/push-preferences.js';
import type { SessionId } from '../../../protocol/scalars.js';
import { isLimit } from '../../model/usage-limits.js';
import type { EventRecord } from '../../ports/records.js';

export type ConcernKind = (typeof PUSH_KINDS)[number];
export type WaitingKind = Extract<ConcernKind, 'permission' | 'question' | 'plan'>;
export type ResultKind = Exclude<ConcernKind, WaitingKind | 'budget'>;

interface Origin {
  sessionId: SessionId;
  seq: number;
  /** The time of the event, in epoch milliseconds. */
  at: number;
}

interface Waiting {
  kind: WaitingKind;
  request: EventData<'permissionRequest'>;
}
type Result =
  | { kind: Exclude<ResultKind, 'given_up'>; turn: EventData<'streamComplete'> }
  | { kind: 'given_up'; message: string };

interface Spent {
  kind: 'budget';
  budget: EventData<'budget'>;
}

/** An event that waits for a person's answer. */
export type WaitingConcern = Origin & Waiting;
/** The result of a turn or session. */
export type ResultConcern = Origin & Result;
/** A budget warns, or is used up. */
export type BudgetConcern = Origin & Spent;
export type Concern = WaitingConcern | ResultConcern | BudgetConcern;

/** An event with the `data` of its type. */
export type SaidEvent = { [T in EventType]: { type: T; data: EventData<T> } }[EventType];

/** To its person, an elicitation and a dialog are questions. */
const WAITING_KINDS: Record<EventData<'permissionRequest'>['kind'], WaitingKind> = {
  tool: 'permission',
  question: 'question',
  plan: 'plan',
  elicitation: 'question',
  dialog: 'question',
};

/** The kind of concern of an event; undefined: none. */
export const kindOf = (event: SaidEvent): ConcernKind | undefined => matterOf(event)?.kind;

function matterOf(event: SaidEvent): Waiting | Result | Spent | undefined {
  switch (event.type) {
    case 'permissionRequest':
      return { kind: WAITING_KINDS[event.data.kind], request: event.data };
    case 'streamComplete': {
      const kind = kindOfTurn(event.data);
      return kind && { kind, turn: event.data };
    }
    case 'error':
      // A turn that was ended by a crash reports that itself.
      return event.data.givenUp ? { kind: 'given_up', message: event.data.message } : undefined;
    case 'budget':
      return { kind: 'budget', budget: event.data };
    case 'assistantMessage':
    case 'humanMessage':
    case 'notice':
    case 'permissionResolved':
    case 'rateLimit':
    case 'rewound':
    case 'sessionStatus':
    case 'systemInit':
    case 'toolResult':
    case 'toolUse':
    case 'turnDiff':
      return undefined;
  }
}

/** A turn that a person stopped is not reported to them. One that the CLI began by itself is treated like any other. */
function kindOfTurn(turn: EventData<'streamComplete'>): 'turn_complete' | 'turn_failed' | 'limit' | undefined {
  if (turn.subtype === 'interrupted') return undefined;
  if (isLimit(turn)) return 'limit';
  return turn.isError || turn.subtype !== 'success' ? 'turn_failed' : 'turn_complete';
}

const CONCERNING: ReadonlySet<EventType> = new Set<EventType>([
  'permissionRequest',
  'streamComplete',
  'error',
  'budget',
]);

/** The concern of a recorded event. Reads `data` only for event types that can have one. */
export function concernOf(sessionId: SessionId, { type, data, seq, at }: EventRecord): Concern | undefined {
  if (!CONCERNING.has(type)) return undefined;
  const matter = matterOf({ type, data: JSON.parse(data) } as SaidEvent);
  return matter && { sessionId, seq, at, ...matter };
}

export const isSpent = (concern: Concern): concern is BudgetConcern => 'budget' in concern;

export const isWaiting = (concern: Concern): concern is WaitingConcern => 'request' in concern;
