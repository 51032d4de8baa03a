/** What one connection may cost, and what is obeyed of it when it has to go. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { GrantView } from '../../protocol/auth.js';
import { MAX_CLIENT_FRAME_BYTES } from '../../protocol/limits.js';
import { type BareClient, openBare } from '../support/bare-client.js';
import { CHEAP_PASSWORDS } from '../support/cheap-passwords.js';
import { type Daemon, TOKEN } from '../support/daemon.js';
import { hurry } from '../support/hurry.js';
import { addUser, askOver, bearerOf, pairDevice, upgradeStatus } from '../support/identity-world.js';
import { waitUntil } from '../support/wait-until.js';
import { connect, type WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');
const MIB = 1024 * 1024;

let people = 0;
/** Somebody new, whose counts are all at zero, with so many paired devices. */
async function newPerson(daemon: Daemon, devices = 1): Promise<GrantView[]> {
  people += 1;
  const email = `connected-${people}@example.org`;
  await addUser(daemon, email);
  const grants: GrantView[] = [];
  while (grants.length < devices) grants.push(await pairDevice(daemon, { user: email }));
  return grants;
}

const tokenOf = (grant: GrantView | undefined): string => grant?.accessToken ?? '';

const revoke = (daemon: Daemon, grant: GrantView | undefined) =>
  askOver(daemon, 'DELETE', `/api/devices/${grant?.deviceId}`, { token: tokenOf(grant) });

interface Held {
  sessionId: string;
  requestId: string;
  letGo: () => void;
}

/** Lets an ordered frame of this client take as long as the test likes: its child does not answer. */
async function hold(daemon: Daemon, client: BareClient): Promise<Held> {
  const workingDirectory = daemon.project();
  const started = await client.answerTo(client.send('streamStart', { prompt: 'first', workingDirectory }));
  await waitUntil('the child is up', () => client.count('streamComplete') === 1);
  const file = join(workingDirectory, 'hold-set_model');
  writeFileSync(file, '');
  const requestId = client.send('streamStart', { prompt: 'held', workingDirectory, options: { model: 'opus' } });
  return { sessionId: String(started.data.sessionId), requestId, letGo: () => rmSync(file) };
}

/** A ping of so many bytes, as they are sent. */
function pingOf(bytes: number): Buffer {
  const empty = JSON.stringify({ type: 'ping', requestId: 'padded', data: { padding: '' } });
  return Buffer.from(empty.replace('""', `"${'x'.repeat(bytes - empty.length)}"`));
}

const sendPing = ({ socket }: BareClient, bytes: Buffer) => socket.send(bytes, { binary: false });

/** An upgrade for a device of the name `broken` fails within the daemon. */
const broken = `const { getAll } = URLSearchParams.prototype; URLSearchParams.prototype.getAll = function (name) {
  if (getAll.call(this, name).includes('broken')) throw new Error('broken on purpose');
  return getAll.call(this, name);
};`;

const world = useWorld({
  environment: {
    CLAUDE_PATH,
    ALLOWED_ORIGINS: 'https://app.example',
    NODE_OPTIONS: `${CHEAP_PASSWORDS.NODE_OPTIONS} --import data:text/javascript,${encodeURIComponent(broken)}`,
  },
});

describe('a connection whose credential is void', () => {
  /** Another device of the person follows what the first one is still obeyed in. */
  async function expectNoneObeyed(putOut: (client: BareClient, grant: GrantView | undefined) => Promise<void>) {
    const { daemon } = world;
    const [first, second] = await newPerson(daemon, 2);
    const client = await openBare(daemon, tokenOf(first));
    const { sessionId, letGo } = await hold(daemon, client);
    const other = await connect(daemon, bearerOf(tokenOf(second)));
    await other.request('subscribe', { events: ['*'], sessionIds: [sessionId as never] });
    for (let index = 0; index < 5; index += 1) client.send('streamSend', { sessionId, prompt: `queued ${index}` });
    client.send('streamStart', { prompt: 'elsewhere', workingDirectory: daemon.project() });
    client.send('setModel', { sessionId, model: 'haiku' });
    await client.wasRead();
    await putOut(client, first);
    letGo();
    await other.waitFor(isResult('held'));
    await other.request('streamSend', { sessionId: sessionId as never, prompt: 'mine' });
    await other.waitFor(isResult('mine'));
    expect(resultsOf(other)).toEqual(['held', 'mine']);
    expect(await sessionsOf(daemon, tokenOf(second))).toHaveLength(1);
    other.terminate();
  }

  test('S1: is not obeyed in what it sent before and what was not begun yet', () =>
    expectNoneObeyed(async (client, grant) => {
      expect((await revoke(world.daemon, grant)).status).toBe(200);
      expect(await client.closed).toBe(1008);
    }));

  test('S1: is not obeyed in that either when it has left by itself before', () =>
    expectNoneObeyed(async (client, grant) => {
      client.socket.close();
      await client.closed;
      expect((await revoke(world.daemon, grant)).status).toBe(200);
    }));
});

const isResult =
  (text: string) =>
  ({ type, data }: { type: string; data: Record<string, unknown> }): boolean =>
    type === 'streamComplete' && data.finalResult === text;

const resultsOf = (client: WireClient): unknown[] =>
  client.events().flatMap(({ type, data }) => (type === 'streamComplete' ? [data.finalResult] : []));

describe('frames behind one that takes its time', () => {
  const STILL_FOR = 200;

  /** Resolves when no more of it has been read while another client was answered so many times. */
  async function untilUnread({ socket }: BareClient): Promise<void> {
    const other = await world.connect();
    let last = socket.bufferedAmount;
    for (let rounds = 0; rounds < STILL_FOR; rounds += 1) {
      await other.request('ping', {});
      if (socket.bufferedAmount !== last) rounds = 0;
      last = socket.bufferedAmount;
    }
  }

  test('are not read when there are many of them, and are all answered when it is their turn', async () => {
    const client = await openBare(world.daemon, TOKEN);
    const { letGo } = await hold(world.daemon, client);
    const frame = pingOf(10 * MIB);
    const count = 6;
    for (let index = 0; index < count; index += 1) sendPing(client, frame);
    await untilUnread(client);
    // One waits there, and some of the next is in the hands of the system.
    expect(client.socket.bufferedAmount).toBeGreaterThan((count - 3) * 10 * MIB);
    letGo();
    await waitUntil('all are answered', () => client.count('pong') === count);
    client.socket.terminate();
  });

  test('may be as large as frames are, and many when they are small', async () => {
    const client = await openBare(world.daemon, TOKEN);
    const { requestId, letGo } = await hold(world.daemon, client);
    for (let index = 0; index < 2; index += 1) sendPing(client, pingOf(MAX_CLIENT_FRAME_BYTES));
    for (let index = 0; index < 5000; index += 1) sendPing(client, pingOf(100));
    letGo();
    await waitUntil('all are answered', () => client.count('pong') === 5002);
    expect(client.frames.findIndex((frame) => frame.requestId === requestId)).toBeLessThan(
      client.frames.findIndex(({ type }) => type === 'pong'),
    );
    client.socket.terminate();
  });

  test('do not keep it open when it has to go', async () => {
    const [grant] = await newPerson(world.daemon);
    const client = await openBare(world.daemon, tokenOf(grant));
    const { letGo } = await hold(world.daemon, client);
    for (let index = 0; index < 4; index += 1) sendPing(client, pingOf(10 * MIB));
    await untilUnread(client);
    expect((await revoke(world.daemon, grant)).status).toBe(200);
    await client.closed;
    expect(client.count('pong')).toBe(0);
    letGo();
  });
});

describe('a connection that is not read', () => {
  const hurried = useWorld({ environment: { CLAUDE_PATH, ...hurry(10) } });

  test('is not taken for dead, although no one receives its pongs', async () => {
    const client = await openBare(hurried.daemon, TOKEN);
    const { sessionId, requestId, letGo } = await hold(hurried.daemon, client);
    // Each is given up after 15 s of the daemon's time; all but the last are so with more than a MiB behind them.
    const options = { model: 'opus' };
    const padding = 'x'.repeat(2 * MIB);
    const workingDirectory = (await sessionsOf(hurried.daemon)).find(({ id }) => id === sessionId)?.workingDirectory;
    const data = { prompt: 'held', workingDirectory, options, padding };
    const ids = [requestId, ...Array.from({ length: 4 }, () => client.send('streamStart', data))];
    for (const id of ids) expect((await client.answerTo(id)).data.code).toBe('TIMEOUT');
    expect((await client.answerTo(client.send('ping', {}))).type).toBe('pong');
    letGo();
    client.socket.terminate();
  });
});

const PREFLIGHT = { origin: 'https://app.example', 'access-control-request-method': 'GET' };

const logOf = ({ home }: Daemon): string => readFileSync(join(home, 'logs/companion.log'), 'utf8');

const sessionsOf = async (daemon: Daemon, token = TOKEN) =>
  (await askOver<{ sessions: { id: string; workingDirectory: string }[] }>(daemon, 'GET', '/api/sessions', { token }))
    .body.sessions;

describe('an upgrade that fails unexpectedly', () => {
  test('is logged with its request id, and the client does not learn the reason', async () => {
    const headers = { authorization: `Bearer ${TOKEN}`, 'x-request-id': 'unexpected-1' };
    expect(await upgradeStatus(world.daemon, '/ws?deviceId=broken', headers)).toBe(500);
    await waitUntil('it is logged', () => logOf(world.daemon).includes('unexpected-1'));
    const line = logOf(world.daemon)
      .split('\n')
      .find((one) => one.includes('unexpected-1'));
    expect(line).toMatch(/broken on purpose.*\\n {4}at .*"level":"error"/);
  });
});

describe('what a web page may read', () => {
  const asked = async (method: string, headers: Record<string, string>) => {
    const answer = await askOver(world.daemon, method, '/live', { headers });
    return [answer.status, answer.headers.get('access-control-allow-origin')];
  };

  test('S1: is what ALLOWED_ORIGINS say: another port of one of our hosts is another page, though it may ask', async () => {
    expect(await asked('GET', PREFLIGHT)).toEqual([200, 'https://app.example']);
    expect(await asked('OPTIONS', PREFLIGHT)).toEqual([204, 'https://app.example']);
    for (const origin of ['http://localhost:5173', 'https://127.0.0.1:8443', world.daemon.url]) {
      expect(await asked('GET', { origin })).toEqual([200, null]);
      expect(await asked('OPTIONS', { ...PREFLIGHT, origin })).toEqual([401, null]);
    }
    expect(await asked('GET', { origin: 'https://other.example' })).toEqual([403, null]);
  });
});
