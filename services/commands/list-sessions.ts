import type { ListSessions, SessionView } from '../../protocol/rest.js';
import type { Session } from '../sessions/session.js';
import { sessionView, type ViewOptions } from '../sessions/session-view.js';
import type { Caller, CommandServices } from './command-context.js';
import { refreshLabels } from './session.js';
import { filterOf } from './session-filter.js';

export interface SessionList {
  sessions: SessionView[];
  total: number;
  limit: number;
  offset: number;
}

/** The caller's sessions that fit the query: pinned ones first, then by last activity, newest first. */
export async function listSessions(
  services: CommandServices & ViewOptions,
  { caller, ...query }: ListSessions & { caller: Pick<Caller, 'device'> },
): Promise<SessionList> {
  const owned = pinnedFirst(services.registry.owned(caller.device.userId));
  await refreshLabels(services, owned);
  const views = await Promise.all(owned.map((session) => sessionView(session, services)));
  const sessions = views.filter(filterOf(query));
  const { limit, offset } = query;
  return { sessions: sessions.slice(offset, offset + limit), total: sessions.length, limit, offset };
}

const pinnedFirst = (sessions: readonly Session[]): Session[] =>
  [...sessions].sort((a, b) => Number(b.state.record.pinned ?? false) - Number(a.state.record.pinned ?? false));
