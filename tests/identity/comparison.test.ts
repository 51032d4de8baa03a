/**
 * How long a comparison takes tells nothing of a credential: digests are compared, all of one length, by
 * `timingSafeEqual`, as often for one guess as for another. The clock has no part in this. Other tests make passwords
 * cheap (`CHEAP_PASSWORDS`); here they cost what they do in service.
 */
import * as crypto from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Identity } from '../../services/identity/identity.js';
import type { UserId } from '../../services/ports/records.js';

interface Compared {
  one: Buffer;
  other: Buffer;
}
let compared: Compared[] = [];

jest.unstable_mockModule('node:crypto', () => ({
  ...crypto,
  timingSafeEqual: (one: Buffer, other: Buffer) => {
    compared.push({ one: Buffer.from(one), other: Buffer.from(other) });
    return crypto.timingSafeEqual(one, other);
  },
}));

const SECRET = 'a-token-of-the-owner-0123456789-';
const folder = mkdtempSync(join(tmpdir(), 'companion-comparison-'));
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  compared = [];
});

/** Of any length, and with any part of the beginning right. */
const guessesAt = (secret: string): string[] => [
  '',
  'x',
  'x'.repeat(10_000),
  secret.slice(0, -1),
  `${secret}x`,
  `x${secret.slice(1)}`,
  `${secret.slice(0, 16)}${'x'.repeat(16)}`,
  `${secret.slice(0, -1)}x`,
  'é'.repeat(secret.length),
];

/** What the comparisons for one guess looked like: how many, and of how many bytes. */
async function shapeOf(guess: () => unknown): Promise<[number, number][]> {
  compared = [];
  await guess();
  return compared.map(({ one, other }) => [one.length, other.length]);
}

/** As wide as a digest in hexadecimal. */
const DIGEST: [number, number] = [64, 64];

describe('the digest of a secret', () => {
  test('S1: is compared whole, whatever was given, and never the secret itself', async () => {
    const { digestOf, hasDigest } = await import('../../services/identity/secrets.js');
    const digest = digestOf(SECRET);
    for (const guess of guessesAt(SECRET)) {
      expect(await shapeOf(() => expect(hasDigest(guess, digest)).toBe(false))).toEqual([DIGEST]);
      for (const { one, other } of compared) {
        expect([one.toString(), other.toString()].sort()).toEqual([digestOf(guess), digest].sort());
      }
    }
    expect(await shapeOf(() => expect(hasDigest(SECRET, digest)).toBe(true))).toEqual([DIGEST]);
  });
});

describe('who has a credential', () => {
  let identity: Identity;
  let token: string;

  beforeAll(async () => {
    const { Identity: RealIdentity } = await import('../../services/identity/identity.js');
    const { openRegistryFile } = await import('../../services/identity/registry-file.js');
    const { openTokenKeys } = await import('../../services/identity/access-tokens.js');
    identity = new RealIdentity({
      registry: await openRegistryFile(join(folder, 'registry.json')),
      keys: await openTokenKeys(join(folder, 'keys.json')),
      authToken: SECRET,
      now: Date.now,
      onRevoked: () => {},
      onReused: () => {},
    });
    token = await identity.makeToken();
  });

  test('S1: is found out by as many comparisons for each wrong bearer, however near it comes to which', async () => {
    for (const guess of [...guessesAt(SECRET), ...guessesAt(token), `${SECRET}${token}`]) {
      expect(await shapeOf(() => identity.authenticate(guess))).toEqual([DIGEST, DIGEST]);
    }
    expect(await identity.authenticate(SECRET)).toMatchObject({ credential: 'setting' });
    expect(await identity.authenticate(token)).toMatchObject({ credential: 'token' });
  });

  test('S1: a code is compared with all that are open, the right one as well', async () => {
    const { userId } = identity.people.owner;
    const invitation = { userId: userId as UserId, scopes: [] };
    const { codes } = identity;
    const [first = '', second = ''] = [1, 2, 3].map(() => codes.create(invitation).code);
    const redeem = (code: string) => shapeOf(() => codes.redeem(code, { use: async () => {}, isBlocked: false }));
    for (const code of ['', `${first.slice(0, -1)}!`, '!'.repeat(64)]) {
      expect(await redeem(code)).toEqual([DIGEST, DIGEST, DIGEST]);
    }
    expect(await redeem(second)).toEqual([DIGEST, DIGEST, DIGEST]);
    expect(await redeem(first)).toEqual([DIGEST, DIGEST]);
  });

  test('S1: the MAC of a refresh token is compared whole, and nothing is looked up before', async () => {
    const { userId } = identity.people.owner;
    const device = { userId: userId as UserId, scopes: [], name: 'phone', platform: 'ios' };
    const { refreshToken } = await identity.admit(device);
    const [family = '', generation = '', secret = '', mac = ''] = refreshToken.split('.');
    const wrongMacs = ['A'.repeat(43), `${mac.slice(0, 42)}${mac.endsWith('A') ? 'Q' : 'A'}`];
    for (const wrong of wrongMacs) {
      for (const known of [family, 'x'.repeat(family.length)]) {
        const guess = [known, generation, secret, wrong].join('.');
        expect(await shapeOf(() => identity.refresh(guess, undefined))).toEqual([[43, 43]]);
      }
    }
    expect(await shapeOf(() => identity.refresh(refreshToken, undefined))).toEqual([[43, 43], DIGEST]);
  });
});

test('S1: a password is kept as argon2id of 64 MiB, three passes and four lanes', async () => {
  const { Passwords } = await import('../../services/identity/passwords.js');
  expect(await new Passwords().hash(SECRET)).toMatch(/^\$argon2id\$v=19\$m=65536,t=3,p=4\$/);
});

test('S1: a token of a push is compared by its digest', async () => {
  const { isTokenOf, makeTokens } = await import('../../services/push/message/compose-message.js');
  const { tokens, digests } = makeTokens(['allow']);
  const allow = tokens.allow ?? '';
  const bytes: [number, number] = [32, 32];
  for (const guess of guessesAt(allow)) {
    expect(await shapeOf(() => isTokenOf({ actions: digests }, 'allow', guess))).toEqual([bytes]);
  }
  expect(isTokenOf({ actions: digests }, 'allow', allow)).toBe(true);
});
