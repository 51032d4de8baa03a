/** How much passes, of people, of strangers and on one connection. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { GrantView } from '../../protocol/auth.js';
import { type BareClient, openBare, openMute } from '../support/bare-client.js';
import { CHEAP_PASSWORDS } from '../support/cheap-passwords.js';
import { TOKEN } from '../support/daemon.js';
import {
  type Answer,
  addUser,
  askOver,
  bearerOf,
  PASSWORD,
  pairDevice,
  upgradeStatus,
} from '../support/identity-world.js';
import { waitUntil } from '../support/wait-until.js';
import { connect } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

// Sessions are only counted here: their children need not be the real CLI.
const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');
const world = useWorld({
  environment: {
    CLAUDE_PATH,
    LIMIT_FAILED: '10',
    LIMIT_PROMPTS: '5',
    LIMIT_READS: '40',
    LIMIT_FILES: '20',
    LIMIT_FRAMES: '30',
    LIMIT_CONNECTIONS: '3',
    LIMIT_SESSIONS: '4',
    TRUST_PROXY: 'true',
    ALLOWED_ORIGINS: 'https://app.example',
    ...CHEAP_PASSWORDS,
  },
});

const ATTACKERS = 16;

/** As nginx on this machine would pass it on. */
const from = (address: string) => ({ 'x-forwarded-for': address });
const over = <T = Record<string, unknown>>(method: string, path: string, options?: Parameters<typeof askOver>[3]) =>
  askOver<T>(world.daemon, method, path, options);

let people = 0;
/** Somebody new, whose counts are all at zero, with a paired device. */
async function newPerson(): Promise<GrantView & { email: string }> {
  people += 1;
  const email = `person-${people}@example.org`;
  await addUser(world.daemon, email);
  return { ...(await pairDevice(world.daemon, { user: email })), email };
}

/** So many requests by as many clients at once as there are attackers. */
async function storm<T>(count: number, request: (index: number) => Promise<T>): Promise<T[]> {
  const answers: T[] = [];
  let next = 0;
  const attacker = async () => {
    while (next < count) {
      next += 1;
      answers.push(await request(next));
    }
  };
  await Promise.all(Array.from({ length: ATTACKERS }, attacker));
  return answers;
}

const statuses = (answers: Pick<Answer, 'status'>[], status: number) =>
  answers.filter((answer) => answer.status === status).length;

function expectLimited({ headers, body }: Answer): void {
  expect(body.error?.code).toBe('RATE_LIMITED');
  const after = Number(headers.get('retry-after'));
  expect(after).toBeGreaterThan(0);
  const retryAfterMs = body.error?.details?.retryAfterMs ?? 0;
  expect(Math.ceil(retryAfterMs / 1000)).toBe(after);
}

describe('wrong credentials', () => {
  test('S1: ten of an address are looked at, whoever sends how many at once', async () => {
    const answers = await storm(100, () =>
      over('GET', '/api/auth/me', { token: 'x'.repeat(43), headers: from('192.0.2.1') }),
    );
    expect([statuses(answers, 401), statuses(answers, 429)]).toEqual([10, 90]);
    for (const answer of answers.filter(({ status }) => status === 429)) expectLimited(answer);
    const upgrade = await upgradeStatus(world.daemon, '/ws', { authorization: 'Bearer x', ...from('192.0.2.1') });
    expect(upgrade).toBe(429);
  });

  test('S1: a valid one is let in from the same address, and strangers from elsewhere are not refused for it', async () => {
    const headers = from('192.0.2.1');
    expect((await over('GET', '/api/auth/me', { token: TOKEN, headers })).status).toBe(200);
    const { accessToken } = await newPerson();
    expect(await upgradeStatus(world.daemon, '/ws', { authorization: `Bearer ${accessToken}`, ...headers })).toBe(101);
    expect((await over('GET', '/api/auth/me', { token: 'y', headers: from('192.0.2.2') })).status).toBe(401);
  });

  test('S1: an expired or revoked one is no guess', async () => {
    const { accessToken, deviceId } = await newPerson();
    await over('DELETE', `/api/devices/${deviceId}`, { token: accessToken });
    const answers = await storm(30, () =>
      over('GET', '/api/auth/me', { token: accessToken, headers: from('192.0.2.3') }),
    );
    expect(statuses(answers, 401)).toBe(30);
  });

  test('S1: an address of IPv6 is its network', async () => {
    const answers = await storm(40, (index) =>
      over('GET', '/api/auth/me', { token: 'x', headers: from(`2001:db8:1:2::${index.toString(16)}`) }),
    );
    expect(statuses(answers, 401)).toBe(10);
  });

  test('S1: what a client itself writes into X-Forwarded-For counts for nothing behind the proxy’s word', async () => {
    const answers = await storm(40, (index) =>
      over('GET', '/api/auth/me', { token: 'x', headers: from(`203.0.113.${index}, 192.0.2.4`) }),
    );
    expect(statuses(answers, 401)).toBe(10);
  });

  test('S1: passwords are counted by person and address: no one is locked out because of another', async () => {
    const [ann, ben] = [await newPerson(), await newPerson()];
    const login = (email: string, password: string, address = '192.0.2.5') =>
      over('POST', '/api/auth/login', { body: { email, password }, headers: from(address) });
    const answers = await storm(30, () => login(ann.email, 'wrong'));
    expect([statuses(answers, 401), statuses(answers, 429)]).toEqual([10, 20]);
    expect((await login(ann.email, PASSWORD)).status).toBe(429);
    expect((await login(ben.email, PASSWORD)).status).toBe(200);
    expect((await login(ann.email, PASSWORD, '192.0.2.6')).status).toBe(200);
  });

  test('S1: codes are guessed at no more than ten times from an address, and a right one is taken all the same', async () => {
    const headers = from('192.0.2.7');
    const redeem = (code: string) =>
      over('POST', '/api/auth/pair', { body: { code, deviceName: 'phone', platform: 'ios' }, headers });
    const answers = await storm(40, () => redeem('AAAAA-AAAAA'));
    expect([statuses(answers, 401), statuses(answers, 429)]).toEqual([10, 30]);
    const { deviceId } = await newPerson();
    expect(deviceId).toBeDefined();
  });
});

describe('a person', () => {
  test('reads so often and no more, and is told how much is left', async () => {
    const { accessToken: token } = await newPerson();
    const first = await over('GET', '/api/sessions', { token });
    expect(first.headers.get('ratelimit-limit')).toBe('40');
    expect(first.headers.get('ratelimit-remaining')).toBe('39');
    expect(Number(first.headers.get('ratelimit-reset'))).toBeGreaterThan(0);
    const answers = await storm(99, () => over('GET', '/api/sessions', { token }));
    expect([statuses(answers, 200), statuses(answers, 429)]).toEqual([39, 60]);
    for (const answer of answers.filter(({ status }) => status === 429)) expectLimited(answer);
    const other = await newPerson();
    expect((await over('GET', '/api/sessions', { token: other.accessToken })).status).toBe(200);
  });

  test('reads files by another count', async () => {
    const { accessToken: token } = await newPerson();
    const answers = await storm(50, () => over('GET', '/api/sessions/none/files', { token }));
    expect([statuses(answers, 404), statuses(answers, 429)]).toEqual([20, 30]);
    expect((await over('GET', '/api/sessions', { token })).status).toBe(200);
  });

  test('prompts so often, over all connections; a prompt that is refused has changed nothing', async () => {
    const { accessToken } = await newPerson();
    const client = await connect(world.daemon, bearerOf(accessToken));
    const workingDirectory = world.daemon.project('prompts');
    const { data } = await client.request('streamStart', { prompt: '', workingDirectory });
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        client.request('streamSend', { sessionId: data.sessionId as never, prompt: `prompt ${index}` }),
      ),
    );
    expect(answers.filter(({ type }) => type === 'promptAccepted')).toHaveLength(5);
    const refused = answers.filter(({ type }) => type === 'error');
    expect(refused).toHaveLength(7);
    for (const { data: error } of refused) {
      expect(error).toMatchObject({ code: 'RATE_LIMITED', details: { retryAfterMs: expect.any(Number) } });
    }
    client.terminate();
  });

  test('sends so many frames, acknowledgements aside; one that does not listen is closed with 4429', async () => {
    const { accessToken } = await newPerson();
    const client = await connect(world.daemon, bearerOf(accessToken));
    const workingDirectory = world.daemon.project('frames');
    const { data } = await client.request('streamStart', { prompt: '', workingDirectory });
    for (let index = 0; index < 100; index += 1)
      client.send('ack', { sessionId: data.sessionId as never, seq: 0 as never });
    const answers = await Promise.all(Array.from({ length: 40 }, () => client.request('ping', {})));
    expect(answers.filter(({ type }) => type === 'pong')).toHaveLength(29);
    for (let index = 0; index < 30; index += 1) client.sendRaw('{');
    expect(await client.closed).toBe(4429);
  });

  test('a large frame that is one too many is refused before it is parsed', async () => {
    const { accessToken } = await newPerson();
    const client = await connect(world.daemon, bearerOf(accessToken));
    await Promise.all(Array.from({ length: 30 }, () => client.request('ping', {})));
    // It has no end: whoever parses it finds no request id.
    client.sendRaw(`{"requestId":"large","type":"streamSend","data":{"prompt":"${'x'.repeat(1_000_000)}`);
    const refused = await client.waitFor(({ requestId }) => requestId === 'large');
    expect(refused.data.code).toBe('RATE_LIMITED');
    // Where the id stands behind the data, as some clients write it.
    client.sendRaw(`{"data":{"prompt":"${'x'.repeat(1_000_000)}"},"requestId":"last","type":"streamSend"}`);
    expect((await client.waitFor(({ requestId }) => requestId === 'last')).data.code).toBe('RATE_LIMITED');
    client.terminate();
  });

  test('has so many connections; a device’s next one takes the place of the one before', async () => {
    const { email, accessToken } = await newPerson();
    const grants = [await pairDevice(world.daemon, { user: email }), await pairDevice(world.daemon, { user: email })];
    const tokens = [accessToken, ...grants.map((grant) => grant.accessToken)];
    const clients = await Promise.all(tokens.map((token) => connect(world.daemon, bearerOf(token))));
    const fourth = await pairDevice(world.daemon, { user: email });
    const headers = { authorization: `Bearer ${fourth.accessToken}` };
    expect(await upgradeStatus(world.daemon, '/ws', headers)).toBe(429);
    const again = await connect(world.daemon, bearerOf(accessToken));
    expect(await clients[0]?.closed).toBe(4409);
    again.terminate();
    for (const client of clients) client.terminate();
  });

  test('begins so many sessions; those that are there can be opened', async () => {
    const { accessToken: token } = await newPerson();
    const open = (name: string) =>
      over('POST', '/api/sessions', { token, body: { workingDirectory: world.daemon.project(name) } });
    const answers = await storm(8, (index) => open(`new-${index}`));
    expect([statuses(answers, 201), statuses(answers, 429)]).toEqual([4, 4]);
    const { body } = await over<{ sessions: { workingDirectory: string }[] }>('GET', '/api/sessions', { token });
    const [known] = body.sessions;
    const again = await over('POST', '/api/sessions', { token, body: { workingDirectory: known?.workingDirectory } });
    expect(again.status).toBe(200);
  });
});

const PREFLIGHT = { origin: 'https://app.example', 'access-control-request-method': 'GET' };

const logOf = (): string => readFileSync(join(world.daemon.home, 'logs/companion.log'), 'utf8');

describe('limits of a connection', () => {
  const pingOften = (client: BareClient, count: number) =>
    Promise.all(Array.from({ length: count }, () => client.answerTo(client.send('ping', {}))));

  test('S1: close the one that does not listen, and no quiet one of the same person', async () => {
    const grant = await newPerson();
    const other = await pairDevice(world.daemon, { user: grant.email });
    const noisy = await openBare(world.daemon, grant.accessToken);
    const quiet = await openBare(world.daemon, other.accessToken);
    const answers = await pingOften(noisy, 30 + 29);
    expect(answers.filter(({ type }) => type === 'error')).toHaveLength(29);
    for (const { type, data } of await pingOften(quiet, 3)) {
      expect([type, data.code]).toEqual(['error', 'RATE_LIMITED']);
    }
    noisy.send('ping', {});
    expect(await noisy.closed).toBe(4429);
    expect((await pingOften(quiet, 1))[0]?.type).toBe('error');
    quiet.socket.terminate();
  });

  test('S1: count acknowledgements that are refused', async () => {
    const { accessToken } = await newPerson();
    const client = await openBare(world.daemon, accessToken);
    const wrong = () => client.send('ack', { sessionId: 'none', seq: 1 });
    const codes = await Promise.all(Array.from({ length: 59 }, async () => (await client.answerTo(wrong())).data.code));
    expect(codes.filter((code) => code === 'SESSION_NOT_FOUND')).toHaveLength(30);
    expect(codes.filter((code) => code === 'RATE_LIMITED')).toHaveLength(29);
    wrong();
    expect(await client.closed).toBe(4429);
  });

  test('S1: count upgrades, also those with a valid credential', async () => {
    const { accessToken } = await newPerson();
    const headers = { authorization: `Bearer ${accessToken}` };
    const statuses: number[] = [];
    for (let index = 0; index < 50; index += 1) statuses.push(await upgradeStatus(world.daemon, '/ws', headers));
    expect(statuses.filter((status) => status === 101)).toHaveLength(40);
    expect(statuses.slice(40)).toEqual(Array.from({ length: 10 }, () => 429));
  });

  test('S1: leave a device no second socket, also when the older one does not answer its close', async () => {
    const { accessToken } = await newPerson();
    const older = await openMute(world.daemon, accessToken);
    const gone = once(older, 'close');
    const newer = await openBare(world.daemon, accessToken);
    const began = performance.now();
    await gone;
    // `ws` would wait for 30 s.
    expect(performance.now() - began).toBeLessThan(5000);
    newer.socket.terminate();
  });

  test('S1: strangers who are refused, or ask whether they may, are counted and leave no line in the log', async () => {
    const { daemon } = world;
    const bad = (headers: Record<string, string>) => askOver(daemon, 'POST', '/api/auth/pair', { body: {}, headers });
    const kinds: [string, number, (headers: Record<string, string>) => Promise<{ status: number }>][] = [
      ['192.0.2.21', 400, bad],
      ['192.0.2.22', 403, (headers) => askOver(daemon, 'GET', '/live', { headers: { ...headers, origin: 'null' } })],
      ['192.0.2.23', 401, (headers) => askOver(daemon, 'OPTIONS', '/live', { headers })],
      ['192.0.2.24', 204, (headers) => askOver(daemon, 'OPTIONS', '/live', { headers: { ...headers, ...PREFLIGHT } })],
      [
        '192.0.2.25',
        403,
        async (headers) => ({
          status: await upgradeStatus(daemon, '/ws', { ...headers, origin: 'null' }),
        }),
      ],
    ];
    for (const [address, status, ask] of kinds) {
      const seen: number[] = [];
      const headers = { 'x-forwarded-for': address, 'x-request-id': `stranger-${address}` };
      for (let index = 0; index < 45; index += 1) seen.push((await ask(headers)).status);
      expect([seen.filter((one) => one === status).length, seen.filter((one) => one === 429).length]).toEqual([40, 5]);
    }
    const { accessToken } = await newPerson();
    await askOver(daemon, 'GET', '/api/sessions', {
      token: accessToken,
      headers: { 'x-request-id': 'not-a-stranger' },
    });
    await waitUntil('the log is written', () => logOf().includes('not-a-stranger'));
    expect(logOf()).not.toContain('stranger-192');
  });
});

test('S1: a stranger without a credential asks no more often than a person, and does not know why', async () => {
  const headers = from('192.0.2.9');
  const answers = await storm(100, () => over('GET', '/api/sessions', { headers }));
  expect([statuses(answers, 401), statuses(answers, 429)]).toEqual([40, 60]);
  expect((await over('GET', '/live', { headers })).status).toBe(429);
  expect((await over('GET', '/live', { headers: from('192.0.2.10') })).status).toBe(200);
});
