/** Searches what was said in the caller's sessions and conversations. */
import { endOf, type Search, type SearchResult, startOf } from '../../protocol/search.js';
import { parseQuery } from '../model/search-query.js';
import type { SearchHit } from '../ports/search.js';
import type { Session } from '../sessions/session.js';
import type { SessionRegistry } from '../sessions/session-registry.js';
import { type Caller, type CommandServices, sessionOf } from './command-context.js';

interface SearchInput {
  caller: Pick<Caller, 'device'>;
  query: Search;
  /** Absolute: `project` starts here. */
  base: string;
}

interface FoundPage {
  results: SearchResult[];
  nextCursor?: string;
  complete: boolean;
}

/**
 * Rejects with `INVALID_REQUEST` for a `q` without a word, and for the `cursor` of another search; with
 * `SESSION_NOT_FOUND`, `STORAGE_FULL`, and `TIMEOUT`.
 */
export async function searchAll(
  services: Pick<CommandServices, 'registry' | 'search' | 'now'>,
  { caller, query, base }: SearchInput,
): Promise<FoundPage> {
  const { q, project, since, until, sessionId, ...rest } = query;
  const { userId: owner } = caller.device;
  const terms = parseQuery(q);
  if (sessionId !== undefined) sessionOf(services, caller, sessionId);
  const { hits, nextCursor, isComplete } = await services.search.search({
    ...rest,
    owner,
    terms,
    sessionId,
    project: project === undefined || project.startsWith('/') ? project : `${base}/${project}`,
    since: since === undefined ? undefined : startOf(since),
    until: until === undefined ? undefined : endOf(until),
    now: services.now(),
  });
  const results = hits.flatMap((hit) => {
    const session = sessionOfHit(services.registry, hit);
    // A session that was purged meanwhile is not found.
    if (hit.place.kind === 'session' && (session?.owner !== owner || session.state.record.closed?.isPurged)) return [];
    return [viewOf(hit, session)];
  });
  return { results, ...(nextCursor !== undefined && { nextCursor }), complete: isComplete };
}

const sessionOfHit = (registry: SessionRegistry, { place }: SearchHit): Session | undefined =>
  place.kind === 'session' ? registry.find(place.sessionId) : undefined;

function viewOf({ place, at, ...hit }: SearchHit, session: Session | undefined): SearchResult {
  const { kind: source, ...where } = place;
  const name = session?.state.record.name;
  return {
    source,
    ...where,
    ...(name !== undefined && { sessionName: name }),
    ...hit,
    timestamp: new Date(at).toISOString(),
  };
}
