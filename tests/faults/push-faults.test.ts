/** Pushes to Apple while its server fails in every way, and the daemon with it. */
import { beforeEach, expect, test } from '@jest/globals';
import type { PushRecord } from '../../services/ports/outbox.js';
import { AT, deviceRef } from '../push/situations.js';
import { useApnsOutbox } from '../push/support/apns-outbox.js';
import type { ApnsBehaviour, ApnsRequest } from '../support/apns-server.js';
import { countOf } from '../support/counts.js';
import { waitUntil } from '../support/wait-until.js';
import { useHurriedTimers } from './hurried-timers.js';
import { PushLedger, RETRY_AFTER_MS, type Seen, waitProblem } from './push-ledger.js';
import { chooseSeed, createRandom, type Random } from './random.js';

/** Ten minutes in three seconds. */
const HURRY = 200;
/** Of real time. */
const TIMEOUT_MS = 250;

const now = useHurriedTimers(HURRY, AT);
let seen: Seen[] = [];
let problems: string[] = [];
let resolved = new Set<string>();
let lives = 1;

const stage = useApnsOutbox({
  now,
  sender: { timeoutMs: TIMEOUT_MS * HURRY, actions: 'clear' },
  onState: (row: PushRecord) => {
    const problem = waitProblem(row, now());
    if (problem) problems.push(problem);
  },
});

const DEVICES = ['phone', 'tablet', 'old phone', 'watch', 'another phone'];
const SESSIONS = ['one', 'two', 'three', 'four', 'five', 'six'];

beforeEach(() => {
  seen = [];
  problems = [];
  resolved = new Set();
  lives = 1;
  stage.world.register(...DEVICES);
});

const inSeconds = (ms: number) => String(ms / 1000);
const asDate = (ms: number) => new Date(Date.now() + ms).toUTCString();

const FAULTS: readonly [() => ApnsBehaviour, ...(() => ApnsBehaviour)[]] = [
  () => ({ kind: 'hang' }),
  () => ({ kind: 'reset' }),
  () => ({ kind: 'drop' }),
  () => ({ kind: 'goaway-serving' }),
  () => ({ kind: 'goaway-refusing' }),
  () => ({ kind: 'goaway-dropping' }),
  () => ({ kind: 'accept-and-drop' }),
  () => refusal(429, 'TooManyRequests', inSeconds(RETRY_AFTER_MS.TooManyRequests)),
  () => refusal(503, 'ServiceUnavailable', inSeconds(RETRY_AFTER_MS.ServiceUnavailable)),
  () => refusal(503, 'Shutdown', asDate(RETRY_AFTER_MS.Shutdown)),
  () => refusal(500, 'InternalServerError'),
  () => refusal(403, 'ExpiredProviderToken'),
];

const refusal = (status: number, reason: string, retryAfter?: string): ApnsBehaviour => ({
  kind: 'refuse',
  status,
  reason,
  ...(retryAfter !== undefined && { retryAfter }),
});

/** Lets a third of the requests fail, until so many have. */
function misbehave(faults: number, random: Random): { readonly injected: number } {
  const count = { injected: 0 };
  stage.apns.production.behave((request: ApnsRequest) => {
    const fails = count.injected < faults && random.chance(1 / 3);
    if (fails) count.injected += 1;
    const behaviour = fails ? random.pick(FAULTS)() : ({ kind: 'accept' } as const);
    seen.push({ request, behaviour, at: now(), life: lives });
    return behaviour;
  });
  return count;
}

/** What happens in sessions: something is asked or answered, or a turn ends. */
class Happenings {
  readonly #random: Random;
  readonly #open: { sessionId: string; permissionId: string }[] = [];
  /** Events of which each device is owed a push. */
  readonly concerns: string[] = [];
  #asked = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  async happen(): Promise<void> {
    const random = this.#random;
    const { world } = stage;
    const sessionId = random.pick(SESSIONS as [string, ...string[]]);
    const [oldest] = this.#open;
    if (oldest && random.chance(0.3)) {
      this.#open.shift();
      resolved.add(oldest.permissionId);
      await world.commit(oldest.sessionId, world.resolves(oldest.sessionId, oldest.permissionId));
    } else if (random.chance(0.5)) {
      this.#asked += 1;
      const permissionId = `request-${this.#asked}`;
      this.#open.push({ sessionId, permissionId });
      this.concerns.push(`permission ${permissionId}`);
      await world.commit(sessionId, world.asks(sessionId, permissionId));
    } else if (random.chance(0.8)) {
      const seq = await world.commit(sessionId, world.turnEnds());
      this.concerns.push(`turn_complete ${sessionId} ${seq}`);
    } else {
      const device = deviceRef(random.pick(DEVICES as [string, ...string[]]));
      world.push.test(device);
      world.push.test(device);
    }
  }
}

/** So many rows may be open while more happens. */
const MAX_OPEN = 200;

/** Until all faults have happened; meanwhile the daemon dies a number of times. */
async function storm(faults: { readonly injected: number }, wanted: number, random: Random): Promise<Happenings> {
  const happenings = new Happenings(random.fork());
  while (faults.injected < wanted) {
    for (let count = 1 + random.integer(6); count > 0; count -= 1) await happenings.happen();
    if (random.chance(0.6)) {
      const goal = seen.length + random.integer(40);
      const { push } = stage.world;
      await waitUntil('more was sent', () => seen.length >= goal || push.openCount === 0);
    }
    await waitUntil('there is room', () => stage.world.push.openCount < MAX_OPEN);
    if (!random.chance(0.25)) continue;
    await stage.world.crash();
    lives += 1;
    await stage.world.open();
  }
  return happenings;
}

test('P1: whatever fails between the outbox and Apple, nothing is lost, changed, overtaken or hurried', async () => {
  const seed = chooseSeed();
  const random = createRandom(seed);
  const wanted = countOf({ full: 1000, fast: 25 });
  const faults = misbehave(wanted, random.fork());
  const { concerns } = await storm(faults, wanted, random);
  const { push } = stage.world;
  await waitUntil('everything is done', () => push.openCount === 0);
  const rows = await stage.world.rows();
  const ledger = new PushLedger({ rows, seen, resolved });
  const owed = rows.filter(({ kind }) => kind === 'permission' || kind === 'turn_complete');
  expect({
    seed,
    rows: owed.map(nameOf).sort(),
    lost: ledger.lost(),
    changed: ledger.changed(),
    overtaken: ledger.overtaken(),
    hurried: ledger.hurried(),
    standing: ledger.standing(),
    problems,
    violations: stage.apns.production.violations,
  }).toEqual({
    seed,
    rows: concerns.flatMap((name) => DEVICES.map((deviceId) => `${deviceId}: ${name}`)).sort(),
    lost: [],
    changed: [],
    overtaken: [],
    hurried: [],
    standing: [],
    problems: [],
    violations: [],
  });
  await stage.world.crash();
  await waitUntil('no session is left', () => stage.apns.production.openSessions() === 0);
});

const nameOf = ({ device, kind, permissionId, sessionId, seq }: PushRecord): string =>
  `${device.deviceId}: ${kind} ${permissionId ?? `${sessionId} ${seq}`}`;
