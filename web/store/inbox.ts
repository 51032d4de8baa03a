/** What waits for the person over all sessions, the most urgent first. Pure. */
import type { ConsoleSession, ConsoleState, PermissionRequest } from './console-state.js';
import type { LastTurn } from './last-turn.js';

/** When the person last saw the end of a turn, by session; `since`: what ended before it is not new to this browser. */
export interface Seen {
  since: string;
  turns: ReadonlyMap<string, string>;
}

export type Waiting = { key: string; sessionId: string; project: string } & (
  | { kind: 'permission' | 'question'; request: PermissionRequest }
  | { kind: 'limit' | 'finished' | 'failed'; turn: LastTurn }
);

const RANKS = ['permission', 'question', 'limit', 'finished', 'failed'] as const satisfies Waiting['kind'][];
const USAGE_LIMIT = 'usage_limit';

/** Ranked by kind, and the oldest first. */
export function inboxOf(
  { permissions, sessions }: Pick<ConsoleState, 'permissions' | 'sessions'>,
  seen: Seen,
): Waiting[] {
  const asked = [...permissions.values()]
    .map((request) => askedOf(request, sessions.get(request.sessionId)))
    .sort((a, b) => waitsSince(sessions.get(a.sessionId)).localeCompare(waitsSince(sessions.get(b.sessionId))));
  const asking = new Set(asked.map(({ sessionId }) => sessionId));
  const ended = [...sessions.values()]
    .filter(({ view }) => !asking.has(view.sessionId))
    .flatMap((session) => endedOf(session, seen))
    .sort((a, b) => a.turn.at.localeCompare(b.turn.at));
  return [...asked, ...ended].sort((a, b) => RANKS.indexOf(a.kind) - RANKS.indexOf(b.kind));
}

/** A session that waits does nothing else. */
const waitsSince = (session: ConsoleSession | undefined): string =>
  session?.status?.lastActivity ?? session?.view.lastActivity ?? '';

function askedOf(request: PermissionRequest, session: ConsoleSession | undefined): Waiting {
  const { permissionId: key, sessionId, kind: asks } = request;
  const kind = asks === 'question' || asks === 'elicitation' ? 'question' : 'permission';
  return { kind, key, sessionId, project: session?.view.projectName ?? '', request };
}

type Ended = Extract<Waiting, { turn: LastTurn }>;

/** A session that works again, or was put away, waits for nobody. */
function endedOf({ view, status, turn }: ConsoleSession, seen: Seen): Ended[] {
  const { sessionId, projectName: project } = view;
  const state = status?.status ?? view.status;
  if (!turn || turn.status === 'cancelled' || (state !== 'idle' && state !== 'hibernated' && state !== 'error'))
    return [];
  if (status?.archived ?? view.archived) return [];
  if (turn.at <= (seen.turns.get(sessionId) ?? seen.since)) return [];
  const kind = turn.subtype === USAGE_LIMIT ? 'limit' : turn.status === 'failed' ? 'failed' : 'finished';
  return [{ kind, key: `ended ${sessionId}`, sessionId, project, turn }];
}
