/** Guessing, from one address and from many, for a while and for long. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import type { GrantView } from '../../protocol/auth.js';
import { CHEAP_PASSWORDS } from '../support/cheap-passwords.js';
import { TOKEN } from '../support/daemon.js';
import {
  type Answer,
  addUser,
  askLocally,
  askOver,
  PASSWORD,
  pairDevice,
  upgradeStatus,
} from '../support/identity-world.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

const folder = mkdtempSync(join(tmpdir(), 'companion-clock-'));
const CLOCK_FILE = join(folder, 'offset');
const preload = join(import.meta.dirname, '../support/moved-clock.mjs');
const FAILED = 10;
const world = useWorld({
  environment: {
    LIMIT_FAILED: String(FAILED),
    TRUST_PROXY: 'true',
    NODE_OPTIONS: `${CHEAP_PASSWORDS.NODE_OPTIONS} --import ${preload}`,
    CLOCK_FILE,
  },
});
afterAll(() => rmSync(folder, { recursive: true }));

const MINUTE_S = 60;
const MOST_MS = 90_000;
const WRONG_CODE = 'AAAAA-AAAAA';

const over = <T = Record<string, unknown>>(method: string, path: string, options?: Parameters<typeof askOver>[3]) =>
  askOver<T>(world.daemon, method, path, options);
const from = (address: string) => ({ 'x-forwarded-for': address });
const openCode = async () => (await askLocally<{ code: string }>(world.daemon, 'POST', '/local/pair', {})).code;
const redeem = (code: string, address: string) =>
  over('POST', '/api/auth/pair', { body: { code, deviceName: 'phone', platform: 'ios' }, headers: from(address) });
const refresh = (refreshToken: string, address: string) =>
  over('POST', '/api/auth/refresh', { body: { refreshToken }, headers: from(address) });
const logIn = (email: string, password: string, address: string) =>
  over<GrantView>('POST', '/api/auth/login', { body: { email, password }, headers: from(address) });

/** All at once: those that are looked at are answered the later the more there were. */
const guesses = (count: number, guess: () => Promise<Answer>) => Promise.all(Array.from({ length: count }, guess));
const sorted = (statuses: number[]) => statuses.toSorted((one, other) => one - other);
const statusesOf = (answers: Answer[]) => sorted(answers.map(({ status }) => status));
const allLookedAt = Array.from({ length: FAILED }, () => 401);

/** A refusal that says when to come again; the seconds until then. */
function expectKeptOut({ status, headers, body }: Answer): number {
  expect({ status, code: body.error?.code }).toEqual({ status: 429, code: 'RATE_LIMITED' });
  const after = Number(headers.get('retry-after'));
  expect(after).toBeGreaterThan(0);
  expect(headers.get('ratelimit-limit')).toBe(String(FAILED));
  expect(headers.get('ratelimit-remaining')).toBe('0');
  expect(headers.get('ratelimit-reset')).toBe(String(after));
  return after;
}

let offset = 0;
/** Lets so much of the daemon's wall clock pass, as a machine does that sleeps. */
async function pass(seconds: number): Promise<void> {
  offset += seconds * 1000;
  writeFileSync(CLOCK_FILE, String(offset));
  process.kill(world.daemon.pid, 'SIGUSR2');
  const client = await world.connect();
  await waitUntil('the daemon reads another time', async () => {
    const { data } = await client.request('ping', {});
    return Math.abs(Date.parse(String(data.serverTime)) - Date.now() - offset) < MINUTE_S * 1000;
  });
  await client.close();
}

describe('pairing codes', () => {
  test('S1: five wrong ones void all that are open, from however many addresses they come', async () => {
    const codes = await Promise.all([openCode(), openCode(), openCode()]);
    for (let index = 1; index <= 5; index += 1) {
      expect((await redeem(WRONG_CODE, `198.51.100.${index}`)).status).toBe(401);
    }
    for (const [index, code] of codes.entries()) expect((await redeem(code, `203.0.113.${index}`)).status).toBe(401);
    expect((await redeem(await openCode(), '198.51.100.1')).status).toBe(200);
  });

  test('S1: a thousand addresses at once get no further than five', async () => {
    const code = await openCode();
    let looked = 0;
    const wrong = Array.from({ length: 1000 }, async (_, index) => {
      const { status } = await redeem(WRONG_CODE, `2001:db8:${index.toString(16)}::1`);
      if (status === 401) looked += 1;
    });
    await Promise.all(wrong);
    // Each of them had its one guess, and all but five were at a code that was void.
    expect(looked).toBe(1000);
    expect((await redeem(code, '192.0.2.100')).status).toBe(401);
  });

  test('S1: an address that guesses is kept out, and a right code from there is taken', async () => {
    const address = '192.0.2.1';
    const answers = await guesses(FAILED, () => redeem(WRONG_CODE, address));
    expect(statusesOf(answers)).toEqual(allLookedAt);
    expect(expectKeptOut(await redeem(WRONG_CODE, address))).toBeLessThanOrEqual(15 * MINUTE_S);
    expect((await redeem(await openCode(), address)).status).toBe(200);
    expectKeptOut(await redeem(WRONG_CODE, address));
    expect((await redeem(WRONG_CODE, '192.0.2.2')).status).toBe(401);
  });
});

test('S1: whoever was kept out for guessing codes voids none any more, and a right one from there is taken', async () => {
  const address = '192.0.2.31';
  await guesses(FAILED, () => redeem(WRONG_CODE, address));
  const code = await openCode();
  for (const answer of await guesses(10, () => redeem(WRONG_CODE, address))) expectKeptOut(answer);
  expect((await redeem(code, address)).status).toBe(200);
});

describe('other credentials', () => {
  test('S1: who guesses refresh tokens is kept out, and a right one from there is taken', async () => {
    const address = '192.0.2.11';
    const { refreshToken } = await pairDevice(world.daemon);
    const answers = await guesses(FAILED, () => refresh('x.1.y.z', address));
    expect(statusesOf(answers)).toEqual(allLookedAt);
    expectKeptOut(await refresh('x.1.y.z', address));
    expect((await refresh(refreshToken, address)).status).toBe(200);
  });

  test('a refresh token of a device that is out is told so without a write', async () => {
    const { refreshToken, deviceId } = await pairDevice(world.daemon);
    await askLocally(world.daemon, 'DELETE', `/local/devices/${deviceId}`);
    const written = () => statSync(join(world.daemon.home, 'registry.json')).ino;
    const before = written();
    expect((await refresh(refreshToken, '192.0.2.13')).status).toBe(401);
    expect(written()).toBe(before);
  });

  test('S1: who guesses bearers or tickets is kept out, and right ones from there are taken', async () => {
    const headers = from('192.0.2.12');
    const bearer = () => over('GET', '/api/auth/me', { token: 'x'.repeat(43), headers });
    expect(statusesOf(await guesses(FAILED, bearer))).toEqual(allLookedAt);
    expectKeptOut(await bearer());
    const ticket = () => upgradeStatus(world.daemon, '/ws?ticket=x', headers);
    const tried = await Promise.all(Array.from({ length: FAILED + 5 }, ticket));
    expect(sorted(tried)).toEqual([...allLookedAt, 429, 429, 429, 429, 429]);
    const made = await over<{ ticket: string }>('POST', '/api/auth/ticket', { token: TOKEN, headers });
    expect(made.status).toBe(200);
    expect(await upgradeStatus(world.daemon, `/ws?ticket=${made.body.ticket}`, headers)).toBe(101);
  });
});

describe('passwords', () => {
  test('S1: more than ten are never looked at, however many come at once, the right one among them', async () => {
    await addUser(world.daemon, 'zoe@example.org');
    const tries = Array.from({ length: 16 }, (_, index) =>
      logIn('zoe@example.org', index < 12 ? 'a wrong password' : PASSWORD, '192.0.2.20'),
    );
    const answers = await Promise.all(tries);
    expect(statusesOf(answers).filter((status) => status === 200)).toEqual([]);
    expect(statusesOf(answers).filter((status) => status === 401).length).toBeLessThanOrEqual(FAILED);
  });

  const ADDRESS = '192.0.2.21';
  const ANN = 'ann@example.org';
  const BEN = 'ben@example.org';

  test(
    'S1: ten wrong ones for a person keep their address out for that person, each time for twice as long',
    async () => {
      await addUser(world.daemon, ANN);
      await addUser(world.daemon, BEN);
      for (const minutes of [15, 30, 60, 120]) {
        const answers = await guesses(FAILED, () => logIn(ANN, 'a wrong password', ADDRESS));
        expect(statusesOf(answers)).toEqual(allLookedAt);
        const after = expectKeptOut(await logIn(ANN, 'a wrong password', ADDRESS));
        expect(after).toBeLessThanOrEqual(minutes * MINUTE_S);
        expect(after).toBeGreaterThan((minutes - 1) * MINUTE_S);
        // The right one is not looked at either: it could be the next guess.
        expectKeptOut(await logIn(ANN, PASSWORD, ADDRESS));
        await pass((minutes - 1) * MINUTE_S);
        expectKeptOut(await logIn(ANN, PASSWORD, ADDRESS));
        await pass(MINUTE_S);
      }
      expect((await logIn(ANN, PASSWORD, ADDRESS)).status).toBe(200);
    },
    MOST_MS,
  );

  test('S1: meanwhile others behind the same address log in, and so does the person from elsewhere', async () => {
    const answers = await guesses(FAILED, () => logIn(ANN, 'a wrong password', ADDRESS));
    expect(statusesOf(answers)).toEqual(allLookedAt);
    expectKeptOut(await logIn(ANN, PASSWORD, ADDRESS));
    const ben = await logIn(BEN, PASSWORD, ADDRESS);
    expect(ben.status).toBe(200);
    expect((await logIn(ANN, PASSWORD, '192.0.2.22')).status).toBe(200);
    for (const token of [TOKEN, ben.body.accessToken]) {
      const me = await over('GET', '/api/auth/me', { token, headers: from(ADDRESS) });
      expect(me.status).toBe(200);
      const headers = { authorization: `Bearer ${token}`, ...from(ADDRESS) };
      expect(await upgradeStatus(world.daemon, '/ws', headers)).toBe(101);
    }
  });
});
