/** Everything that the console knows, and how it changes. Pure: what a view shows follows from this alone. */
import type { AnswerData, ClientEvent, ConnectionState, EventData, UnplacedFrame } from '../../client/browser.js';
import type { ToldMessage } from '../../protocol/history.js';
import type { SessionView } from '../../protocol/rest.js';
import type { Tasks } from '../../protocol/tasks.js';
import type { Kept } from './kept.js';
import { type LastTurn, lastTurnOf, newerTurn } from './last-turn.js';
import { type Queue, queueIn } from './queue.js';
import { type Details, type Limit, newerLimit, type Settings, settingsIn, UNKNOWN } from './session-details.js';
import { begun, LOADING, lastKey, type Transcript, withEvent, withOlder, withText } from './transcript.js';

export type PermissionRequest = EventData<'permissionRequest'>;
export type Status = EventData<'sessionStatus'>;

export interface ConsoleSession {
  view: SessionView;
  /** The newest status event, which is newer than the view. */
  status: Status | undefined;
  /** The last one that ended, by the newest event or view. */
  turn: LastTurn | undefined;
}

export interface ConsoleState {
  connection: ConnectionState;
  /** Whether the list of sessions is known: an empty one is no failure, and a failure is not an empty one. */
  list: { kind: 'loading' } | { kind: 'loaded' } | { kind: 'failed'; because: string };
  sessions: ReadonlyMap<string, ConsoleSession>;
  /** The open requests, oldest first. */
  permissions: ReadonlyMap<string, PermissionRequest>;
  /** Of the sessions that were opened. */
  transcripts: ReadonlyMap<string, Transcript>;
  tasks: ReadonlyMap<string, Tasks['tasks']>;
  /** By the newest status event, also where a view of the session is newer: a view has no queue. */
  queues: ReadonlyMap<string, Queue>;
  /** By the newest status event, as the queues. */
  settings: ReadonlyMap<string, Settings>;
  /** Of the sessions that were opened: what their CLI was asked for. */
  details: ReadonlyMap<string, Details>;
  /** What the person could say next, until something is said. */
  suggestions: ReadonlyMap<string, string>;
  /** Of the account; undefined while nothing is known. */
  limit: Limit | undefined;
  /** The last request that had been decided when this page answered it. */
  tooLate: PermissionRequest | undefined;
  /** What this browser has kept from before; undefined when there is nothing. */
  kept: Kept | undefined;
}

/** Whether the daemon was tried in vain: a first try can still succeed at once. */
export const isAway = ({ connection }: ConsoleState): boolean =>
  connection.kind === 'waiting' ||
  connection.kind === 'closed' ||
  (connection.kind === 'connecting' && connection.attempt > 1);

export const EMPTY: ConsoleState = {
  connection: { kind: 'connecting', attempt: 1 },
  list: { kind: 'loading' },
  sessions: new Map(),
  permissions: new Map(),
  transcripts: new Map(),
  tasks: new Map(),
  queues: new Map(),
  settings: new Map(),
  details: new Map(),
  suggestions: new Map(),
  limit: undefined,
  tooLate: undefined,
  kept: undefined,
};

export type Action =
  | { do: 'connection'; state: ConnectionState }
  | { do: 'listed'; sessions: readonly SessionView[] }
  | { do: 'listFailed'; because: string }
  | { do: 'viewed'; session: SessionView }
  | { do: 'event'; event: ClientEvent }
  | { do: 'frame'; frame: UnplacedFrame }
  | { do: 'reset'; reset: AnswerData<'reset'> }
  | { do: 'caughtUp'; sessionId: string }
  | { do: 'opening'; sessionId: string }
  | { do: 'opened'; sessionId: string; after: number; olderThan: number | undefined }
  | { do: 'openFailed'; sessionId: string; because: string; isGone: boolean }
  | { do: 'older'; sessionId: string; messages: readonly ToldMessage[]; olderThan: number | undefined }
  | { do: 'queued'; sessionId: string; queue: Queue }
  | { do: 'detail'; sessionId: string; detail: Partial<Details> }
  | { do: 'limited'; limit: Limit }
  | { do: 'tooLate'; request: PermissionRequest | undefined }
  | { do: 'kept'; kept: Kept }
  | { do: 'left' };

type Of<D extends Action['do']> = Extract<Action, { do: D }>;

const REDUCERS: { [D in Action['do']]: (state: ConsoleState, action: Of<D>) => ConsoleState } = {
  connection: (state, action) => ({ ...state, connection: action.state }),
  // What it lacks is gone.
  listed: (state, { sessions }) => ({
    ...state,
    list: { kind: 'loaded' },
    sessions: new Map(sessions.map((view) => [view.sessionId, sessionOf(state, view)])),
  }),
  // What is known stays: it is shown with the word that it may be old.
  listFailed: (state, { because }) => ({ ...state, list: { kind: 'failed', because } }),
  viewed: (state, { session }) => ({
    ...state,
    sessions: new Map(state.sessions).set(session.sessionId, sessionOf(state, session)),
  }),
  event: (state, { event }) => onEvent(state, event),
  frame: (state, { frame }) => onFrame(state, frame),
  reset: (state, { reset }) => onReset(state, reset),
  caughtUp: (state, { sessionId }) =>
    onTranscript(state, sessionId, (one) => (one.phase === 'replaying' ? { ...one, phase: 'live' } : one)),
  opening: (state, { sessionId }) => setTranscript(state, sessionId, LOADING),
  opened: (state, { sessionId, after, olderThan }) => setTranscript(state, sessionId, begun(after, olderThan)),
  openFailed: (state, { sessionId, because, isGone }) =>
    setTranscript(state, sessionId, { ...LOADING, phase: 'failed', failure: because, isGone }),
  older: (state, { sessionId, messages, olderThan }) =>
    onTranscript(state, sessionId, (one) => withOlder(one, messages, olderThan)),
  // An event may have come before the answer, which is older then.
  queued: (state, { sessionId, queue }) => (state.queues.has(sessionId) ? state : setQueue(state, sessionId, queue)),
  detail: (state, { sessionId, detail }) => ({
    ...state,
    details: new Map(state.details).set(sessionId, { ...(state.details.get(sessionId) ?? UNKNOWN), ...detail }),
  }),
  limited: (state, { limit }) => ({ ...state, limit: newerLimit(state.limit, limit) }),
  tooLate: (state, { request }) => ({ ...state, tooLate: request }),
  kept: (state, { kept }) => ({ ...state, kept }),
  left: () => EMPTY,
};

export function reduce(state: ConsoleState, action: Action): ConsoleState {
  const reducer = REDUCERS[action.do] as (state: ConsoleState, action: Action) => ConsoleState;
  return reducer(state, action);
}

function sessionOf({ sessions }: ConsoleState, view: SessionView): ConsoleSession {
  const known = sessions.get(view.sessionId);
  return { view, status: newer(known?.status, view), turn: newerTurn(known?.turn, view) };
}

/** A status that happened after the view was made. */
const newer = (status: Status | undefined, view: SessionView): Status | undefined =>
  status && status.lastActivity > view.lastActivity ? status : undefined;

function onEvent(state: ConsoleState, event: ClientEvent): ConsoleState {
  const told = onTranscript(state, event.sessionId, (one) => withEvent(one, event));
  if (event.type === 'permissionRequest') return withPermission(told, event.data);
  if (event.type === 'permissionResolved') return withoutPermission(told, event.data.permissionId);
  if (event.type === 'humanMessage') return withoutSuggestion(told, event.sessionId);
  if (event.type === 'sessionStatus') return withStatus(told, event.data);
  if (event.type === 'streamComplete') return withTurn(told, event.sessionId, lastTurnOf(event.data, event.at));
  if (event.type === 'rateLimit')
    return { ...told, limit: newerLimit(state.limit, { ...event.data, at: event.data.timestamp }) };
  return told;
}

function withTurn(state: ConsoleState, sessionId: string, turn: LastTurn): ConsoleState {
  const known = state.sessions.get(sessionId);
  if (!known || (known.turn && known.turn.at > turn.at)) return state;
  return { ...state, sessions: new Map(state.sessions).set(sessionId, { ...known, turn }) };
}

function withoutSuggestion(state: ConsoleState, sessionId: string): ConsoleState {
  if (!state.suggestions.has(sessionId)) return state;
  return { ...state, suggestions: new Map([...state.suggestions].filter(([of]) => of !== sessionId)) };
}

function withStatus(state: ConsoleState, status: Status): ConsoleState {
  const { sessionId } = status;
  const settings = new Map(state.settings).set(sessionId, settingsIn(status));
  const next = setQueue({ ...state, settings }, sessionId, queueIn(status));
  const known = state.sessions.get(sessionId);
  if (!known) return next;
  return { ...next, sessions: new Map(state.sessions).set(sessionId, { ...known, status }) };
}

const setQueue = (state: ConsoleState, sessionId: string, queue: Queue): ConsoleState => ({
  ...state,
  queues: new Map(state.queues).set(sessionId, queue),
});

function withPermission(state: ConsoleState, request: PermissionRequest): ConsoleState {
  return { ...state, permissions: new Map(state.permissions).set(request.permissionId, request) };
}

function withoutPermission(state: ConsoleState, permissionId: string): ConsoleState {
  if (!state.permissions.has(permissionId)) return state;
  const permissions = new Map(state.permissions);
  permissions.delete(permissionId);
  return { ...state, permissions };
}

function onFrame(state: ConsoleState, frame: UnplacedFrame): ConsoleState {
  if (frame.type === 'streamData') return onTranscript(state, frame.data.sessionId, (one) => withText(one, frame.data));
  if (frame.type === 'permissionRequest') return withPermission(state, frame.data);
  if (frame.type === 'promptSuggestion')
    return { ...state, suggestions: new Map(state.suggestions).set(frame.data.sessionId, frame.data.text) };
  if (frame.type !== 'tasks') return state;
  return { ...state, tasks: new Map(state.tasks).set(frame.data.sessionId, frame.data.tasks) };
}

/** What was known of the session holds no longer: the snapshot takes its place. */
function onReset(state: ConsoleState, { sessionId, head, snapshot }: AnswerData<'reset'>): ConsoleState {
  const permissions = new Map([...state.permissions].filter(([, request]) => request.sessionId !== sessionId));
  for (const request of snapshot.permissions) permissions.set(request.permissionId, request);
  const known = withStatus({ ...state, permissions }, snapshot.status);
  const oldest = snapshot.messages.find(({ seq }) => seq !== undefined)?.seq;
  return onTranscript(known, sessionId, () => {
    const transcript = withOlder(begun(head, undefined), snapshot.messages, oldest);
    return { ...transcript, replayed: lastKey(transcript.items) };
  });
}

function onTranscript(
  state: ConsoleState,
  sessionId: string,
  change: (transcript: Transcript) => Transcript,
): ConsoleState {
  const known = state.transcripts.get(sessionId);
  if (!known) return state;
  const changed = change(known);
  return changed === known ? state : setTranscript(state, sessionId, changed);
}

const setTranscript = (state: ConsoleState, sessionId: string, transcript: Transcript): ConsoleState => ({
  ...state,
  transcripts: new Map(state.transcripts).set(sessionId, transcript),
});
