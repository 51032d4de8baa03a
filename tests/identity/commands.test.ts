/** The commands for people and devices, against the real daemon. */
import { PassThrough } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { runCli } from '../../cli/run-cli.js';
import { CHEAP_PASSWORDS } from '../support/cheap-passwords.js';
import { askOver, PASSWORD, pairDevice } from '../support/identity-world.js';
import { useWorld } from '../support/world.js';

const world = useWorld({ environment: CHEAP_PASSWORDS });

/** Runs a command, with what is on its stdin. */
async function run(args: string[], input?: string) {
  const said = { out: '', err: '' };
  const output = (name: keyof typeof said) => ({
    columns: 80,
    write: (text: string) => {
      said[name] += text;
    },
  });
  const stdin = Object.assign(new PassThrough(), { isTTY: false });
  stdin.end(input ?? '');
  const io = { stdin, stdout: output('out'), stderr: output('err'), onSignal: () => () => {} };
  const code = await runCli({ args, io, home: world.daemon.home });
  return { code, ...said };
}

const json = async (args: string[], input?: string) => {
  const { code, out } = await run([...args, '--json'], input);
  return { code, document: JSON.parse(out) as Record<string, unknown> };
};

const redeem = (code: unknown) =>
  askOver<{ deviceId: string; accessToken: string; scopes: string[]; user: { email: string } }>(
    world.daemon,
    'POST',
    '/api/auth/pair',
    { body: { code, deviceName: 'phone', platform: 'ios' } },
  );

describe('pair', () => {
  test('shows a QR code, the link and the code; as JSON the link, the code, its end and what to set', async () => {
    const shown = await run(['pair']);
    expect(shown.code).toBe(0);
    expect(shown.out).toMatch(/▄/);
    expect(shown.out).toContain('No other device can reach http://127.0.0.1:');
    expect(shown.out).toMatch(/claude-companion:\/\/pair\?url=\S+&code=([0-9A-Z]{5}-[0-9A-Z]{5})&fp=\S+\n\nCode: \1 /);
    const { code, document } = await json(['pair']);
    expect(code).toBe(0);
    expect(Object.keys(document).sort()).toEqual(['code', 'expiresAt', 'note', 'url']);
    expect((await redeem(document.code)).body).toMatchObject({ user: { email: 'owner@localhost' } });
  });

  test('shows a link to the console for a browser, with the code in its fragment', async () => {
    const { document } = await json(['pair', '--browser']);
    expect(document.url).toBe(`${world.daemon.url}/#pair=${String(document.code)}`);
    const shown = await run(['pair', '--browser']);
    expect(shown.out).toMatch(/▄/);
    expect(shown.out).toMatch(/http:\/\/127\.0\.0\.1:\d+\/#pair=([0-9A-Z]{5}-[0-9A-Z]{5})\n\nCode: \1 /);
  });

  test('gives the scopes and the person that are named, and refuses others', async () => {
    await run(['users', 'add', 'ann@example.org', '--password-stdin'], `${PASSWORD}\n`);
    const { document } = await json(['pair', '--user', 'ann@example.org', '--scopes', 'read, approve']);
    const { body } = await redeem(document.code);
    expect(body).toMatchObject({ scopes: ['read', 'approve'], user: { email: 'ann@example.org' } });
    const wrong = await json(['pair', '--scopes', 'root']);
    expect(wrong).toMatchObject({ code: 1, document: { error: { details: { field: 'scopes.0' } } } });
  });
});

describe('users', () => {
  test('are added, listed, given another password and removed', async () => {
    expect(
      await json(['users', 'add', 'Ben@example.org', '--name', 'Ben', '--password-stdin'], PASSWORD),
    ).toMatchObject({
      code: 0,
      document: { email: 'ben@example.org', name: 'Ben', role: 'member', hasPassword: true },
    });
    const listed = await run(['users', 'list']);
    expect(listed.out).toMatch(/^E-MAIL +NAME +ROLE +PASSWORD +DEVICES\n/);
    expect(listed.out).toMatch(/ben@example\.org +Ben +member +yes +0\n/);
    const login = async (password: string) =>
      (await askOver(world.daemon, 'POST', '/api/auth/login', { body: { email: 'ben@example.org', password } })).status;
    expect(await login(PASSWORD)).toBe(200);
    const changed = await run(['users', 'passwd', 'ben@example.org', '--password-stdin'], 'another long password\n');
    expect(changed.code).toBe(0);
    expect([await login(PASSWORD), await login('another long password')]).toEqual([401, 200]);
    expect(await json(['users', 'remove', 'ben@example.org'])).toMatchObject({ code: 0, document: { sessions: 0 } });
    expect(await login('another long password')).toBe(401);
  });

  test('O1: a password comes from stdin alone, and says which rule it breaks', async () => {
    const none = await json(['users', 'add', 'cyd@example.org']);
    expect(none).toMatchObject({ code: 1, document: { error: { details: { field: 'password' } } } });
    const empty = await json(['users', 'add', 'cyd@example.org', '--password-stdin'], '');
    expect(empty).toMatchObject({ code: 1, document: { error: { details: { field: 'password' } } } });
    const short = await run(['users', 'add', 'cyd@example.org', '--password-stdin'], 'short\n');
    expect(short).toMatchObject({ code: 1, err: expect.stringContaining('at least 10 characters') });
    expect((await run(['users', 'list'])).out).not.toContain('cyd@');
  });
});

describe('devices', () => {
  test('are listed with whose they are, and one is put out', async () => {
    const grant = await pairDevice(world.daemon, { deviceName: 'a tablet' });
    const { out } = await run(['devices', 'list']);
    expect(out).toMatch(/^DEVICE +NAME +PLATFORM +PERSON +CREDENTIAL +LAST SEEN\n/);
    expect(out).toMatch(new RegExp(`${grant.deviceId} +a tablet +ios +owner@localhost +its own +2\\d{3}-`));
    expect(await json(['devices', 'revoke', grant.deviceId])).toMatchObject({ code: 0, document: { success: true } });
    const me = await askOver(world.daemon, 'GET', '/api/auth/me', { token: grant.accessToken });
    expect(me.status).toBe(401);
    expect((await run(['devices', 'list'])).out).toContain('invalid: revoked');
    expect((await json(['devices', 'revoke', 'nothing'])).document).toMatchObject({ error: { code: 'NOT_FOUND' } });
  });
});
