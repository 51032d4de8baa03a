/** Events, devices and sessions for the tests of who is owed a push. */
import type { EventData } from '../../protocol/events.js';
import type { DeviceId, SessionId } from '../../protocol/scalars.js';
import type { UserId } from '../../services/ports/records.js';
import type { Concern, ConcernKind, ResultConcern, WaitingConcern } from '../../services/push/policy/concerns.js';
import type { PersonDevice, Situation } from '../../services/push/policy/judge-event.js';

export const SESSION = 'session' as SessionId;
export const WAITING = ['permission', 'question', 'plan'] as const;
export const RESULTS = ['turn_complete', 'turn_failed', 'limit', 'given_up'] as const;

/** When the events of the tests happen: in Berlin a Friday, 20:05. */
export const AT = Date.UTC(2026, 10, 20, 19, 5);
export const SEQ = 7;

export const deviceRef = (deviceId: string) => ({ userId: 'user' as UserId, deviceId: deviceId as DeviceId });

export const turnOf = (fields: Partial<EventData<'streamComplete'>> = {}): EventData<'streamComplete'> => ({
  sessionId: SESSION,
  finalResult: 'All tests pass.',
  subtype: 'success',
  isError: false,
  duration: 180_000,
  numTurns: 1,
  ...fields,
});

export const requestOf = (fields: Partial<EventData<'permissionRequest'>> = {}): EventData<'permissionRequest'> => ({
  permissionId: 'toolu_1',
  sessionId: SESSION,
  kind: 'tool',
  toolName: 'Bash',
  toolInput: { command: 'npm test', description: 'Run tests' },
  prompt: 'Allow Bash: Run tests?',
  options: ['allow', 'deny'],
  default: 'deny',
  defaultOption: 'deny',
  timeout: 0,
  ...fields,
});

export const waitingOf = (kind: WaitingConcern['kind'], fields: Partial<WaitingConcern> = {}): WaitingConcern => ({
  kind,
  sessionId: SESSION,
  seq: SEQ,
  at: AT,
  request: requestOf({ kind: kind === 'permission' ? 'tool' : kind }),
  ...fields,
});

type Place = Partial<Pick<Concern, 'sessionId' | 'seq' | 'at'>>;

const FAILED = { subtype: 'api_error', isError: true };
const TURNS = {
  turn_complete: {},
  turn_failed: { ...FAILED, finalResult: 'API Error: 500' },
  limit: { ...FAILED, finalResult: "You've hit your session limit · resets 3pm" },
};

export function resultOf(kind: ResultConcern['kind'], place: Place = {}): ResultConcern {
  const common = { sessionId: SESSION, seq: SEQ, at: AT, ...place };
  return kind === 'given_up' ? { ...common, kind, message: 'no' } : { ...common, kind, turn: turnOf(TURNS[kind]) };
}

export const budgetOf = (
  fields: Partial<EventData<'budget'>> = {},
  place: Place = {},
): Extract<Concern, { kind: 'budget' }> => ({
  kind: 'budget',
  sessionId: SESSION,
  seq: SEQ,
  at: AT,
  ...place,
  budget: {
    sessionId: SESSION,
    budgetId: 'b1',
    state: 'warning',
    of: 'person',
    period: 'day',
    unit: 'tokens',
    used: 80_000,
    limit: 100_000,
    stops: true,
    timestamp: new Date(AT).toISOString(),
    ...fields,
  },
});

const isWaitingKind = (kind: ConcernKind): kind is WaitingConcern['kind'] =>
  (WAITING as readonly ConcernKind[]).includes(kind);

export const concernOfKind = (kind: ConcernKind, place: Place = {}): Concern =>
  isWaitingKind(kind) ? waitingOf(kind, place) : kind === 'budget' ? budgetOf({}, place) : resultOf(kind, place);

/** A device that was never here. */
export const deviceOf = (deviceId: string, fields: Partial<PersonDevice> = {}): PersonDevice => ({
  device: deviceRef(deviceId),
  isRegistered: true,
  presence: 'away',
  leftAt: undefined,
  lastAckAt: undefined,
  cursors: new Map(),
  preferences: {},
  ...fields,
});

/** One registered device that is away, an open request, and the moment of the event. */
export const situationOf = (kind: ConcernKind, fields: Partial<Situation> = {}): Situation => ({
  concern: concernOfKind(kind),
  session: { preferences: {}, openRequests: new Set(['toolu_1']) },
  devices: [deviceOf('phone')],
  knownFrom: 0,
  now: AT,
  ...fields,
});
