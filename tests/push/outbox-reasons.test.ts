/** What becomes of the rows of the outbox when Apple refuses, by each of its reasons, one push or some of a burst. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { PushRecord } from '../../services/ports/outbox.js';
import type { ApnsRequest } from '../support/apns-server.js';
import { countOf, cutOf } from '../support/counts.js';
import { waitUntil } from '../support/wait-until.js';
import { AT } from './situations.js';
import { meanings, type Reason, refusalFor } from './support/apns-answers.js';
import { deviceIdOf, useApnsOutbox } from './support/apns-outbox.js';

/** So long may devices take to connect to a new daemon. */
const RETURN_MS = 2000;
const MINUTE_MS = 60_000;
/** A new provider token sooner than this is one too many for Apple. */
const RENEWAL_MS = 20 * MINUTE_MS;
/** Longer than a test may take. */
const NEVER_MS = 600_000;

/** A burst: of some requests and a result, to each device. The fast cut tries it for some of the reasons. */
const DEVICES = Array.from({ length: countOf({ full: 20, fast: 6 }) }, (_, index) => `device-${index}`);
const REQUESTS = Array.from({ length: countOf({ full: 9, fast: 4 }) }, (_, index) => `request-${index}`);
const BURST = DEVICES.length * (REQUESTS.length + 1);
const GONE = new Set(DEVICES.filter((_, index) => index % 5 === 0));

let now = AT;
beforeEach(() => {
  now = AT - RETURN_MS;
});
const stage = useApnsOutbox({ now: () => now, sender: { timeoutMs: NEVER_MS } });
beforeEach(() => {
  now = AT;
});

const { apns } = stage;
const servers = () => [apns.production, apns.sandbox];

/** Both servers refuse the pushes that this holds for. */
function refuse(reason: Reason, isMet: (request: ApnsRequest) => boolean): void {
  for (const server of servers())
    server.behave((request) => (isMet(request) ? refusalFor(reason) : { kind: 'accept' }));
}

const mend = () => {
  for (const server of servers()) server.behave(() => ({ kind: 'accept' }));
};

const requestsOf = ({ pushId }: PushRecord): ApnsRequest[] =>
  servers().flatMap(({ requests }) => requests.filter(({ payload }) => payload.pushId === pushId));

/** Nothing is under way, and what is not done has been tried. */
const tried = () =>
  waitUntil('all were tried', async () =>
    (await stage.world.rows()).every(({ state, attempts }) => (state === 'owed' ? attempts > 0 : state !== 'sending')),
  );

/** Rows of the tests' session; what `passUntil` adds is another one's. */
const rows = async () => (await stage.world.rows()).filter(({ sessionId }) => sessionId === 'session');

async function only(): Promise<PushRecord> {
  const [row] = await rows();
  if (!row) throw new Error('there is no row');
  return row;
}

/** Time passes, and something else is to be told: that has the outbox look at what is due. */
async function passUntil(at: number): Promise<void> {
  const { world } = stage;
  now = at;
  const event = world.asks('other', `at ${at}`);
  await world.commit('other', event);
  await tried();
}

/** Each push that was sent is what it was the first time. */
function expectSameContent(requests: readonly ApnsRequest[]): void {
  const contents = requests.map(({ payload, headers, token }) => {
    const { 'apns-collapse-id': collapseId, 'apns-expiration': expiration, 'apns-push-type': type } = headers;
    return { payload, token, collapseId, expiration, type };
  });
  for (const content of contents) expect(content).toEqual(contents[0]);
}

const isAboutTokens = (reason: string) => reason === 'ExpiredProviderToken' || reason === 'TooManyProviderTokenUpdates';

const reasonsOf = (wanted: 'failed' | 'unregistered' | 'retry') =>
  meanings.flatMap(([reason, kind]) => (kind === wanted ? [reason] : []));

describe.each(reasonsOf('failed'))("Apple's %s", (reason) => {
  test('P1: alone fails the push with that reason, which is not sent again; the next one is', async () => {
    stage.world.register('phone');
    refuse(reason, () => true);
    await stage.world.commit('session', stage.world.turnEnds());
    await tried();
    expect(await only()).toMatchObject({ state: 'failed', reason, attempts: 1 });
    mend();
    const { length } = requestsOf(await only());
    await passUntil(AT + MINUTE_MS);
    expect(requestsOf(await only())).toHaveLength(length);
    expect(await stage.world.rows()).toMatchObject([{ state: 'failed' }, { state: 'accepted' }]);
  });
});

describe.each(cutOf(reasonsOf('failed'), 3))("Apple's %s", (reason) => {
  test(`P1: in a burst of ${BURST} fails those that it meets, and no other`, async () => {
    await burst(reason, isThird);
    for (const row of await rows()) {
      if (isThirdRow(row)) expect(row).toMatchObject({ state: 'failed', reason, attempts: 1 });
    }
    expect(stage.world.registrations.size).toBe(DEVICES.length);
  });
});

describe.each(reasonsOf('unregistered'))("Apple's %s", (reason) => {
  test('P1: alone ends the registration; the push fails with that reason, and no other is owed', async () => {
    stage.world.register('phone');
    refuse(reason, () => true);
    await stage.world.commit('session', stage.world.turnEnds());
    await tried();
    expect(await only()).toMatchObject({ state: 'failed', reason, attempts: 1 });
    expect([...stage.world.registrations]).toEqual([]);
    await passUntil(AT + MINUTE_MS);
    expect(await stage.world.rows()).toHaveLength(1);
  });

  test(`P1: in a burst of ${BURST} ends the registrations that it meets, and no other`, async () => {
    await burst(reason, (request) => GONE.has(deviceIdOf(request.token)));
    expect([...stage.world.registrations.keys()]).toEqual(DEVICES.filter((deviceId) => !GONE.has(deviceId)));
    await passUntil(AT + MINUTE_MS);
    for (const deviceId of GONE) {
      const found = (await rows()).filter(({ device }) => device.deviceId === deviceId);
      const ends = new Set(found.map(({ state, reason: why }) => `${state}: ${why}`));
      expect(ends).toContain(`failed: ${reason}`);
      // Those that were sent together with it learn that there is nobody any more.
      ends.delete(`failed: ${reason}`);
      ends.delete('suppressed: the device is not registered');
      expect([...ends]).toEqual([]);
    }
  });
});

describe.each(reasonsOf('retry'))("Apple's %s", (reason) => {
  test('P1: alone is waited out; then the same push is sent again, and accepted', async () => {
    stage.world.register('phone');
    refuse(reason, () => true);
    await stage.world.commit('session', stage.world.turnEnds());
    await tried();
    const { state, reason: why, nextTry } = await only();
    expect([state, why]).toEqual(['owed', reason]);
    expect(nextTry - now).toBeGreaterThanOrEqual(isAboutTokens(reason) ? RENEWAL_MS : 1000);
    expect(nextTry - now).toBeLessThanOrEqual(isAboutTokens(reason) ? RENEWAL_MS : 2000);
    mend();
    await passUntil(nextTry - 1);
    expect(await only()).toMatchObject({ state: 'owed', attempts: 1 });
    await passUntil(nextTry);
    expect(await only()).toMatchObject({ state: 'accepted', attempts: 2 });
    expectSameContent(requestsOf(await only()));
  });
});

describe.each(cutOf(reasonsOf('retry'), 2))("Apple's %s", (reason) => {
  test(`P1: in a burst of ${BURST} makes those wait that it meets, and no other`, async () => {
    await burst(reason, isThird);
    const met = (await rows()).filter(isThirdRow);
    for (const row of met) expect(row).toMatchObject({ state: 'owed', reason, attempts: 1 });
    mend();
    await passUntil(AT + (isAboutTokens(reason) ? RENEWAL_MS : 2000));
    for (const row of (await rows()).filter(isThirdRow)) {
      // Nobody wants to hear of a request after ten minutes.
      const isStale = isAboutTokens(reason) && row.kind === 'permission';
      expect(row).toMatchObject(isStale ? { state: 'expired', reason: `stale: ${reason}` } : { state: 'accepted' });
      expectSameContent(requestsOf(row));
    }
  });
});

const isThirdOf = (deviceId: string, permissionId: unknown): boolean =>
  (DEVICES.indexOf(deviceId) + REQUESTS.indexOf(String(permissionId))) % 3 === 0;
const isThird = ({ token, payload }: ApnsRequest) =>
  payload.sessionId === 'session' && isThirdOf(deviceIdOf(token), payload.permissionId);
const isThirdRow = ({ device, permissionId }: PushRecord) => isThirdOf(device.deviceId, permissionId);

/** Refuses some of a burst, and checks that the others are accepted at the first attempt, each once. */
async function burst(reason: Reason, isMet: (request: ApnsRequest) => boolean): Promise<void> {
  const { world } = stage;
  world.register(...DEVICES);
  const met = new Set<string>();
  refuse(reason, (request) => {
    const is = isMet(request);
    if (is) met.add(String(request.payload.pushId));
    return is;
  });
  const asked = REQUESTS.map((permissionId) => world.asks('session', permissionId));
  await world.commit('session', ...asked, world.turnEnds());
  await tried();
  const all = await rows();
  expect(all).toHaveLength(BURST);
  const others = all.filter(({ pushId, reason: why }) => !met.has(pushId) && why !== NOBODY);
  expect(others.length).toBeGreaterThan(BURST / 2);
  for (const row of others) {
    expect(row).toMatchObject({ state: 'accepted', attempts: 1 });
    expect(requestsOf(row)).toHaveLength(1);
  }
  for (const { violations } of servers()) expect(violations).toEqual([]);
}

const NOBODY = 'the device is not registered';

test('P1: a provider token that has become too old is renewed once for a burst, and no push waits', async () => {
  const { world } = stage;
  world.register(...DEVICES);
  let first: string | undefined;
  apns.production.behave(({ headers }) => {
    first ??= headers.authorization;
    return headers.authorization === first ? refusalFor('ExpiredProviderToken') : { kind: 'accept' };
  });
  await world.commit('session', ...REQUESTS.map((id) => world.asks('session', id)), world.turnEnds());
  await tried();
  const all = await rows();
  expect(all).toHaveLength(BURST);
  for (const row of all) {
    expect(row).toMatchObject({ state: 'accepted', attempts: 1 });
    expectSameContent(requestsOf(row));
  }
  expect(apns.production.providerTokens.size).toBe(2);
});

test.each(['BadDeviceToken', 'BadEnvironmentKeyInToken', 'BadEnvironmentKeyIdInToken'] as const)(
  'P1: %s for some of a burst whose tokens are of the other environment: all arrive, and those are corrected',
  async (reason) => {
    const { world } = stage;
    world.register(...DEVICES);
    apns.production.behave(({ token }) => (GONE.has(deviceIdOf(token)) ? refusalFor(reason) : { kind: 'accept' }));
    apns.sandbox.behave(({ token }) => (GONE.has(deviceIdOf(token)) ? { kind: 'accept' } : refusalFor(reason)));
    await world.commit('session', ...REQUESTS.map((id) => world.asks('session', id)), world.turnEnds());
    await tried();
    for (const row of await rows()) expect(row).toMatchObject({ state: 'accepted', attempts: 1 });
    const environments = [...world.registrations.values()].map(({ environment }) => environment);
    expect(environments).toEqual(DEVICES.map((deviceId) => (GONE.has(deviceId) ? 'sandbox' : 'production')));
    await passUntil(AT + MINUTE_MS);
    const later = apns.production.requests.filter(({ payload }) => payload.sessionId === 'other');
    expect(later.filter(({ token }) => GONE.has(deviceIdOf(token)))).toEqual([]);
  },
);
