/** What must hold of the rows of an outbox and of what the server has seen of them, whatever went wrong between both. */
import type { PushRecord } from '../../services/ports/outbox.js';
import { type About, readAbout } from '../../services/push/outbox/push-record.js';
import type { ApnsBehaviour, ApnsRequest } from '../support/apns-server.js';

/** A request, and what the server did with it. Times are those of the outbox. */
export interface Seen {
  request: ApnsRequest;
  behaviour: ApnsBehaviour;
  at: number;
  /** Which of the daemons it came from. */
  life: number;
}

const BACKOFF_MS = 2000;
const MAX_BACKOFF_MS = 600_000;
const RENEWAL_MS = 1_200_000;

export const RETRY_AFTER_MS = { TooManyRequests: 7000, ServiceUnavailable: 20_000, Shutdown: 12_000 };

/** Least and most that a push has to wait after a refusal. A date is exact to the second. */
function askedOf(reason = ''): { least: number; most: number } {
  const known: Partial<Record<string, number>> = { ...RETRY_AFTER_MS, ExpiredProviderToken: RENEWAL_MS };
  const most = known[reason] ?? 0;
  return { least: Math.max(0, reason === 'Shutdown' ? most - 2000 : most), most };
}

const isAccepted = ({ behaviour: { kind } }: Seen): boolean =>
  kind === 'accept' || kind === 'accept-and-drop' || kind === 'goaway-serving';
const pushIdOf = ({ request }: Seen): string => String(request.payload.pushId);
const placeOf = ({ request: { token, headers } }: Seen): string => `${token}/${String(headers['apns-collapse-id'])}`;

function groups<Item>(items: readonly Item[], keyOf: (item: Item) => string): Map<string, Item[]> {
  const found = new Map<string, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = found.get(key);
    if (group) group.push(item);
    else found.set(key, [item]);
  }
  return found;
}

/** A row that has failed has its next try within bounds. Undefined: it has. */
export function waitProblem(row: PushRecord, now: number): string | undefined {
  if (row.state !== 'owed' || row.attempts === 0 || row.reason === DIED) return undefined;
  const backoff = Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** (row.attempts - 1));
  const { least, most } = askedOf(row.reason);
  const earliest = Math.min(row.expiresAt, row.updatedAt + Math.max(least, backoff / 2));
  const latest = Math.min(row.expiresAt, now + Math.max(most, backoff));
  if (row.nextTry >= earliest && row.nextTry <= latest) return undefined;
  const waits = row.nextTry - row.updatedAt;
  return `${row.kind} after ${row.attempts} attempts (${row.reason}) waits ${waits} ms, expires in ${row.expiresAt - row.updatedAt}`;
}

const DIED = 'the daemon ended while it was sent';

/** All rows of a run, oldest first, and all that was seen of them, in order. */
export class PushLedger {
  readonly #rows: readonly PushRecord[];
  readonly #byId: ReadonlyMap<string, PushRecord>;
  readonly #seen: readonly Seen[];
  readonly #resolved: ReadonlySet<string>;

  constructor(run: { rows: readonly PushRecord[]; seen: readonly Seen[]; resolved: ReadonlySet<string> }) {
    this.#rows = run.rows;
    this.#byId = new Map(run.rows.map((row) => [row.pushId, row]));
    this.#seen = run.seen;
    this.#resolved = run.resolved;
  }

  /** Rows that ended neither with the service nor for a reason that holds. */
  lost(): string[] {
    const accepted = new Set(this.#seen.filter(isAccepted).map(pushIdOf));
    return this.#rows.flatMap((row) => {
      const isFine = row.state === 'accepted' ? accepted.has(row.pushId) : this.#isExcused(row);
      return isFine ? [] : [`${row.kind} ${row.pushId} ${row.state}: ${row.reason}`];
    });
  }

  #isExcused(row: PushRecord): boolean {
    const { state, reason = '' } = row;
    if (state === 'expired') return reason.startsWith('stale') && row.updatedAt >= row.expiresAt;
    if (state !== 'suppressed') return false;
    if (reason === 'resolved') return this.#resolved.has(row.permissionId ?? '');
    const by = this.#byId.get(reason.replace(/^told by /, ''));
    return by !== undefined && by !== row && tells(by, row);
  }

  /** Pushes of which the server has seen two versions. A daemon may make other tokens and count again, and says the rest again. */
  changed(): string[] {
    return [...groups(this.#seen, pushIdOf)].flatMap(([pushId, seen]) => {
      const row = this.#byId.get(pushId);
      const inLife = [...groups(seen, ({ life }) => String(life)).values()];
      const isSame = inLife.every((some) => new Set(some.map(contentOf)).size === 1);
      const isOne = new Set(seen.map(lastingContentOf)).size === 1;
      const isItsRow = seen.every(({ request }) => request.headers['apns-collapse-id'] === row?.collapseId);
      return isSame && isOne && isItsRow ? [] : [`${row?.kind} ${pushId}: ${seen.map(contentOf).join('\n')}`];
    });
  }

  /** Places of a device where an older push came after a newer one. */
  overtaken(): string[] {
    const ages = new Map(this.#rows.map(({ pushId }, age) => [pushId, age]));
    return [...groups(this.#seen.filter(isAccepted), placeOf)].flatMap(([place, seen]) => {
      const order = seen.map((one) => ages.get(pushIdOf(one)) ?? -1);
      return order.every((age, index) => age >= (order[index - 1] ?? 0)) ? [] : [`${place}: ${order.join(' ')}`];
    });
  }

  /** Pushes that came again sooner than the server asked for, or after their acceptance was known. */
  hurried(): string[] {
    return [...groups(this.#seen, pushIdOf)].flatMap(([pushId, seen]) => {
      const row = this.#byId.get(pushId);
      const again = row?.history.findIndex(({ state }) => state === 'accepted') ?? -1;
      if (row && again >= 0 && again < row.history.length - 1) return [`${pushId} was sent after it was accepted`];
      return seen.flatMap((one, index) => {
        const next = seen[index + 1];
        return next && row && this.#isTooSoon(row, one, next)
          ? [`${row.kind} ${pushId} after ${next.at - one.at} ms`]
          : [];
      });
    });
  }

  /** Nobody heeds what has not reached him, or what a daemon had not written down before it died. */
  #isTooSoon(row: PushRecord, { at, behaviour }: Seen, next: Seen): boolean {
    if (behaviour.kind !== 'refuse' || next.at - at >= askedOf(behaviour.reason).least) return false;
    return row.history.some(({ reason, at: then }) => reason === behaviour.reason && then >= at && then <= next.at);
  }

  /** Requests that were answered, and that a device still shows. */
  standing(): string[] {
    return [...groups(this.#seen.filter(isAccepted), placeOf)].flatMap(([place, seen]) => {
      const rows = seen.map((one) => this.#byId.get(pushIdOf(one)));
      const last = rows.at(-1);
      const isShown = last?.permissionId !== undefined && last.kind !== 'withdrawal' && last.state !== 'expired';
      const wasAnswered = this.#resolved.has(last?.permissionId ?? '');
      const taken = this.#rows.find((row) => row.kind === 'withdrawal' && isSamePlace(row, last));
      return isShown && wasAnswered && taken?.state !== 'expired' ? [place] : [];
    });
  }
}

const isSamePlace = (a: PushRecord, b: PushRecord | undefined): boolean =>
  a.device.deviceId === b?.device.deviceId && a.collapseId === b.collapseId;

/** Whether a push says what another one would have said, or something newer of its session. */
function tells(by: PushRecord, row: PushRecord): boolean {
  if (by.device.deviceId !== row.device.deviceId) return false;
  return resultsOf(row).every(({ sessionId, seq }) =>
    resultsOf(by).some((result) => result.sessionId === sessionId && result.seq >= seq),
  );
}

function resultsOf({ about, kind }: PushRecord): { sessionId: string; seq: number }[] {
  const what: About = readAbout(about);
  if (what.what === 'digest') return what.results.map(({ concern }) => concern);
  if (what.what === 'concern') return [what.concern];
  if (what.what === 'test') return [];
  throw new Error(`${kind} is told by itself`);
}

const headersOf = ({ request: { headers, token } }: Seen) =>
  ['apns-collapse-id', 'apns-expiration', 'apns-priority', 'apns-push-type', 'apns-topic']
    .map((name) => `${name}: ${String(headers[name])}`)
    .concat(token);

const contentOf = (seen: Seen): string => JSON.stringify([headersOf(seen), seen.request.payload]);

function lastingContentOf(seen: Seen): string {
  const { actionTokens: _, badge: __, aps, ...payload } = seen.request.payload;
  const { badge: ___, ...shown } = aps as Record<string, unknown>;
  return JSON.stringify([headersOf(seen), payload, shown]);
}
