/** Several results within a short time are sent together. Pushes that wait for a person are never held back. */
import type { SessionId } from '../../../protocol/scalars.js';
import type { ResultConcern } from './concerns.js';

/** Results are gathered for this long, from the first one owed. */
export const DIGEST_WINDOW_MS = 30_000;
/** Minimum interval between two digests to one device. */
export const DIGEST_PAUSE_MS = 60_000;

/** A result that a device is owed. */
export interface OwedResult {
  /** The id of its row in the outbox. */
  pushId: string;
  concern: ResultConcern;
  /** Epoch milliseconds. */
  owedAt: number;
  expiresAt: number;
  /** The name of its project. */
  project: string;
}

/** The push to send now; `covers`: the rows that are done with it, including those in it. */
export type PlannedPush =
  | { kind: 'single'; result: OwedResult; covers: readonly OwedResult[] }
  /** One result for each session, in order of arrival. */
  | { kind: 'digest'; results: readonly OwedResult[]; covers: readonly OwedResult[]; expiresAt: number };

export interface Gathering {
  /** All unsent results that one device is owed. */
  owed: readonly OwedResult[];
  /** Sessions of the person with a running turn, or with a result still being judged: another result may come soon. */
  expected: ReadonlySet<SessionId>;
  /** When the device was last sent a digest; undefined for never. */
  lastDigestAt: number | undefined;
  now: number;
}

/** `wait`: no push is sent before, unless the input changes. */
export type DigestPlan = { kind: 'nothing' } | { kind: 'wait'; until: number } | { kind: 'send'; push: PlannedPush };

/**
 * When and in which form a device's owed results are sent. Each is included, or replaced by a later one of its session.
 */
export function planResults({ owed, expected, lastDigestAt, now }: Gathering): DigestPlan {
  const results = lastOfEachSession(owed);
  const [first, ...others] = results;
  if (!first) return { kind: 'nothing' };
  const isAwaited = [...expected].some((sessionId) => !results.some(({ concern }) => concern.sessionId === sessionId));
  const begun = Math.min(...owed.map(({ owedAt }) => owedAt));
  const gathered = isAwaited ? begun + DIGEST_WINDOW_MS : begun;
  const allowed = others.length > 0 && lastDigestAt !== undefined ? lastDigestAt + DIGEST_PAUSE_MS : gathered;
  const until = Math.max(gathered, allowed);
  if (now < until) return { kind: 'wait', until };
  if (others.length === 0) return { kind: 'send', push: { kind: 'single', result: first, covers: owed } };
  const expiresAt = Math.max(...results.map((result) => result.expiresAt));
  return { kind: 'send', push: { kind: 'digest', results, covers: owed, expiresAt } };
}

function lastOfEachSession(owed: readonly OwedResult[]): OwedResult[] {
  const bySession = new Map<SessionId, OwedResult>();
  for (const result of [...owed].sort((a, b) => a.concern.seq - b.concern.seq)) {
    const { sessionId } = result.concern;
    const earlier = bySession.get(sessionId);
    if (!earlier || !outweighs(earlier, result)) bySession.set(sessionId, result);
  }
  return [...bySession.values()].sort(inOrder);
}

/** A session that is given up also fails its waiting prompts, which says less. */
const outweighs = (earlier: OwedResult, later: OwedResult): boolean =>
  earlier.concern.kind === 'given_up' && later.concern.kind === 'turn_failed';

const inOrder = (a: OwedResult, b: OwedResult): number =>
  a.owedAt - b.owedAt || a.concern.at - b.concern.at || (a.concern.sessionId < b.concern.sessionId ? -1 : 1);
