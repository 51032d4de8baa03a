/** What a full disk, a power cut or a hand has made of the files in `COMPANION_HOME`, as the next start finds it. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { expectRefusal, served } from '../support/brief-daemon.js';
import { type DaemonFolders, TOKEN } from '../support/daemon.js';

const withFile = (name: string, text: string) => (folders: DaemonFolders) => {
  mkdirSync(folders.home, { mode: 0o700 });
  writeFileSync(join(folders.home, name), text, { mode: 0o600 });
  return {};
};

const healthOf = async (url: string): Promise<{ checks: { push: string }; remedies?: Record<string, string> }> =>
  (await fetch(`${url}/health`, { headers: { authorization: `Bearer ${TOKEN}` } })).json() as never;

describe('vapid.json', () => {
  test.each([
    ['empty', ''],
    ['blank', '\n'],
    ['zeros, as a power cut leaves them', '\0'.repeat(162)],
  ])('D1: that is %s is made anew: no browser ever knew its keys', async (_what, text) => {
    await served({ prepare: withFile('vapid.json', text) }, async ({ folders }, url) => {
      const keys = JSON.parse(readFileSync(join(folders.home, 'vapid.json'), 'utf8')) as Record<string, string>;
      expect(keys).toEqual({ publicKey: expect.any(String), privateKey: expect.any(String) });
      expect((await healthOf(url)).checks.push).toBe('off');
    });
  });

  test('P1: that is broken is named in the health, though no browser is registered', async () => {
    await served({ prepare: withFile('vapid.json', '{"publicKey": "half of') }, async ({ folders }, url) => {
      const { checks, remedies } = await healthOf(url);
      expect(checks.push).toBe('degraded');
      expect(remedies?.push).toContain(join(folders.home, 'vapid.json'));
      expect(readFileSync(join(folders.home, 'vapid.json'), 'utf8')).toBe('{"publicKey": "half of');
    });
  });
});

const user = (fields: object) => ({ userId: 'u1', role: 'owner', email: 'me@example.org', ...fields });
const registry = (users: object[], devices: object[] = []) => JSON.stringify({ users, devices });

describe('registry.json', () => {
  test.each<[string, string, RegExp]>([
    ['without users', registry([]), /exactly one owner, but has 0/],
    ['with members alone', registry([user({ role: 'member' })]), /exactly one owner, but has 0/],
    ['with two owners', registry([user({}), user({ userId: 'u2', email: 'b@c' })]), /exactly one owner, but has 2/],
    ['with a person twice', registry([user({}), user({ role: 'member', email: 'b@c' })]), /"u1" is there twice/],
    [
      'with an address twice',
      registry([user({}), user({ userId: 'u2', role: 'member', email: 'ME@example.org' })]),
      /"me@example\.org" is there twice/,
    ],
    [
      'with a stray device',
      registry([user({})], [{ deviceId: 'd', userId: 'u9' }]),
      /"d" belongs to no person in users/,
    ],
    [
      'with a device twice',
      registry(
        [user({})],
        [
          { deviceId: 'd', userId: 'u1' },
          { deviceId: 'd', userId: 'u1' },
        ],
      ),
      /"d of u1" is there twice/,
    ],
    ['with a role that is none', registry([user({ role: 'admin' })]), /users\.0\.role/],
    ['with users that are no list', '{"users": {}, "devices": []}', /registry\.json cannot be used: users/],
    ['with a comma too many', '{\n  "users": [],\n}', /line 3, column 1/],
    ['that is empty', '', /registry\.json is not valid JSON: it ends at line 1, column 1/],
  ])('O1: %s stops the start, and says what is wrong and what to do', async (_what, text, said) => {
    const stderr = await expectRefusal({ prepare: withFile('registry.json', text) }, said, 'registry.json');
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  test('that an editor gave a byte order mark is read', async () => {
    await served({ prepare: withFile('registry.json', `\uFEFF${registry([user({})])}`) });
  });
});

test('O1: keys.json that is broken stops the start with its name and what to do, and repeats none of it', async () => {
  const stderr = await expectRefusal(
    { prepare: withFile('keys.json', '{"macKey": "a-secret"') },
    /keys\.json does not contain valid keys.*paired again/,
  );
  expect(stderr).not.toContain('a-secret');
});

describe('what a start needs for itself', () => {
  test('O1: a daemon.lock that was overwritten is named with what to do, and left as it is', async () => {
    const setup = { prepare: withFile('daemon.lock', 'no lock at all\n'.repeat(100)) };
    await expectRefusal(
      setup,
      /daemon\.lock was overwritten with something else\. When no daemon runs .*remove the file/,
    );
  });

  test('O1: a folder in the place of daemon.sock is named', async () => {
    const prepare = ({ home }: DaemonFolders) => {
      mkdirSync(join(home, 'daemon.sock', 'inside'), { recursive: true, mode: 0o700 });
      return {};
    };
    await expectRefusal({ prepare }, /daemon\.sock is a folder in the place of the local socket\. Move it away\.\n$/);
  });
});
