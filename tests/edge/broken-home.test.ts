/** What a full disk, a power cut or a hand has made of the files in `COMPANION_HOME`, as the next start finds it. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { openVapidKeys } from '../../services/push/web/vapid.js';
import { expectRefusal, refusalOf, served } from '../support/brief-daemon.js';
import { type DaemonFolders, TOKEN } from '../support/daemon.js';

const withFile = (name: string, text: string) => (folders: DaemonFolders) => {
  mkdirSync(folders.home, { mode: 0o700, recursive: true });
  writeFileSync(join(folders.home, name), text, { mode: 0o600 });
  return {};
};

const healthOf = async (url: string): Promise<{ checks: { push: string }; remedies?: Record<string, string> }> =>
  (await fetch(`${url}/health`, { headers: { authorization: `Bearer ${TOKEN}` } })).json() as never;

describe('vapid.json', () => {
  const keys = { publicKey: expect.any(String), privateKey: expect.any(String) };
  const ZEROS = '\0'.repeat(162);

  test.each([
    ['empty', ''],
    ['blank', '\n'],
    ['zeros, as a power cut leaves them', ZEROS],
  ])('D1: that is %s is created again: no browser knew its keys', (_what, text) => {
    const folder = mkdtempSync(join(tmpdir(), 'companion-vapid-'));
    const file = join(folder, 'vapid.json');
    writeFileSync(file, text);
    expect(openVapidKeys({ file })).toEqual({ keys });
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(keys);
    rmSync(folder, { recursive: true });
  });

  test('D1: that is zeros is created again at the start', async () => {
    await served({ prepare: withFile('vapid.json', ZEROS) }, async ({ folders }, url) => {
      expect(JSON.parse(readFileSync(join(folders.home, 'vapid.json'), 'utf8'))).toEqual(keys);
      expect((await healthOf(url)).checks.push).toBe('off');
    });
  });

  test('P1: that is broken is named in the health, though no browser is registered; a registry with a byte order mark is read', async () => {
    const prepare = (folders: DaemonFolders) => ({
      ...withFile('vapid.json', '{"publicKey": "half of')(folders),
      ...withFile('registry.json', `\uFEFF${registry([user({})])}`)(folders),
    });
    await served({ prepare }, async ({ folders }, url) => {
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
  const BROKEN: [string, string, RegExp][] = [
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
  ];
  test.each(BROKEN)('O1: %s is refused, with what is wrong and what to do', async (_what, text, said) => {
    const refusal = await refusalOf({ prepare: withFile('registry.json', text) });
    expect(refusal).toMatch(said);
    expect(refusal).toContain('registry.json');
    expect(refusal).not.toContain('\n');
  });

  test.each(BROKEN.slice(0, 1))('O1: %s stops the start, and says so', async (_what, text, said) => {
    const stderr = await expectRefusal({ prepare: withFile('registry.json', text) }, said, 'registry.json');
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
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
  test('O1: a daemon.lock that was overwritten is named with what to do', async () => {
    const refusal = await refusalOf({ prepare: withFile('daemon.lock', 'no lock at all\n'.repeat(100)) });
    expect(refusal).toMatch(/daemon\.lock was overwritten with something else\. When no daemon runs .*remove the file/);
  });

  test('O1: a folder in the place of daemon.sock is named', async () => {
    const prepare = ({ home }: DaemonFolders) => {
      mkdirSync(join(home, 'daemon.sock', 'inside'), { recursive: true, mode: 0o700 });
      return {};
    };
    await expectRefusal({ prepare }, /daemon\.sock is a folder in the place of the local socket\. Move it away\.\n$/);
  });
});
