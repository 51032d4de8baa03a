/** P1: one phone or browser has one registration, and nobody takes another person's address away. */
import { createECDH, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import type { DeviceView } from '../../protocol/auth.js';
import { addUser, askLocally, askOver, pairDevice } from '../support/identity-world.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
const KIM = 'kim@example.org';

const curve = createECDH('prime256v1');
const keys = { p256dh: curve.generateKeys().toString('base64url'), auth: randomBytes(16).toString('base64url') };
const ENDPOINT = 'https://push.unknown.invalid/send/a%20b';
const APPLE = 'ab12'.repeat(16);

/** One address of each platform, spelled in two ways. */
const SPELLINGS = {
  ios: [APPLE, APPLE.toUpperCase()],
  web: [
    JSON.stringify({ endpoint: ENDPOINT, expirationTime: null, keys }),
    JSON.stringify({
      keys: { auth: `${keys.auth}==`, p256dh: keys.p256dh },
      endpoint: 'HTTPS://PUSH.unknown.invalid:443/send/./a%20b',
    }),
  ],
  ntfy: ['a-Topic', 'a-Topic'],
} as const;
type Platform = keyof typeof SPELLINGS;
const PLATFORMS = Object.keys(SPELLINGS) as Platform[];

const registry = () => join(world.daemon.home, 'registry.json');

async function register(who: { deviceId: string; accessToken: string }, platform: Platform, token: string) {
  const body = { deviceId: who.deviceId, platform, token };
  const answer = await askOver(world.daemon, 'POST', '/api/push-notifications/register', {
    token: who.accessToken,
    body,
  });
  expect(answer.status).toBe(200);
}

/** Which of these devices are pushed to. */
async function reached(...devices: { deviceId: string }[]): Promise<boolean[]> {
  const { devices: all } = await askLocally<{ devices: DeviceView[] }>(world.daemon, 'GET', '/local/devices');
  return devices.map(({ deviceId }) => all.find(({ id }) => id === deviceId)?.push !== undefined);
}

beforeAll(() => addUser(world.daemon, KIM));

describe.each(PLATFORMS)('an address of %s', (platform) => {
  const [one, other] = SPELLINGS[platform];

  test('P1: that another device of the person registers in another spelling moves there', async () => {
    const [first, second] = [await pairDevice(world.daemon), await pairDevice(world.daemon)];
    await register(first, platform, one);
    await register(second, platform, other);
    expect(await reached(first, second)).toEqual([false, true]);
  });

  test(`P1: that another person's device registers ${platform === 'ios' ? 'goes along' : 'stays'}`, async () => {
    const [mine, theirs] = [await pairDevice(world.daemon), await pairDevice(world.daemon, { user: KIM })];
    await register(mine, platform, one);
    await register(theirs, platform, other);
    expect(await reached(mine, theirs)).toEqual([platform !== 'ios', true]);
  });
});

test('P1: registrations that an older daemon has kept twice are one after a start, the newest', async () => {
  const devices = await Promise.all(PLATFORMS.flatMap(() => [pairDevice(world.daemon), pairDevice(world.daemon)]));
  await world.daemon.kill('SIGTERM');
  const kept = JSON.parse(readFileSync(registry(), 'utf8')) as {
    devices: { deviceId: string; push?: { platform: string; token: string; registeredAt?: number } }[];
  };
  for (const entry of kept.devices) delete entry.push;
  for (const [index, { deviceId }] of devices.entries()) {
    const entry = kept.devices.find((one) => one.deviceId === deviceId);
    const platform = PLATFORMS[index >> 1] ?? 'ios';
    const isSecond = index % 2;
    // The first one of a pair has registered later, or has no time at all.
    const since = index < 2 ? {} : { registeredAt: isSecond ? 1000 : 2000 };
    if (entry) entry.push = { platform, token: SPELLINGS[platform][isSecond] ?? '', ...since };
  }
  writeFileSync(registry(), JSON.stringify(kept));
  await world.daemon.start();
  const found = await reached(...devices);
  expect(found.slice(2)).toEqual([true, false, true, false]);
  expect(found.slice(0, 2).filter(Boolean)).toHaveLength(1);
});
