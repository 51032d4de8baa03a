import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { localSocketPath } from '../../config/local-socket-path.js';
import { CLOSE } from '../../protocol/error-codes.js';
import { childrenOf, type Daemon, MAIN, startDaemon } from '../support/daemon.js';
import { type ScriptedApi, scenario, startScriptedApi } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { connect, type WireClient } from '../support/wire-client.js';

/** A supervisor kills what takes longer. */
const SHUTDOWN_MS = 1_500;

let api: ScriptedApi;
let daemon: Daemon;
let clients: WireClient[];

beforeEach(async () => {
  clients = [];
  api = await startScriptedApi();
  daemon = await startDaemon({ apiUrl: api.url });
});

afterEach(async () => {
  for (const client of clients) client.terminate();
  await daemon.stop();
  await api.close();
});

async function connectClient(): Promise<WireClient> {
  const client = await connect(daemon);
  clients.push(client);
  return client;
}

const pidOf = async (sessionId: string): Promise<number> => {
  const session = (await (await daemon.fetch(`/api/sessions/${sessionId}`)).json()) as { pid: number };
  return session.pid;
};

/** One child that waits for a prompt and one in the middle of a turn. Resolves with their pids. */
async function startChildren(client: WireClient): Promise<{ idle: number; working: number }> {
  const start = (turn: Parameters<typeof scenario>[0]) =>
    client.request('streamStart', { prompt: scenario(turn), workingDirectory: daemon.project() });
  const [idle, working] = await Promise.all([
    start({ text: 'Done.' }),
    start({ text: 'This one takes longer.', gate: 'working' }),
    client.waitFor('streamComplete'),
    api.reached('working'),
  ]);
  return { idle: await pidOf(idle.data.sessionId), working: await pidOf(working.data.sessionId) };
}

async function timed<T>(work: () => Promise<T>): Promise<{ result: T; ms: number }> {
  const started = performance.now();
  const result = await work();
  return { result, ms: performance.now() - started };
}

describe('a daemon that is told to stop', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    'H2: ends within 1.5 s of a %s with code 0, closes with 1012, says how many children go on, and leaves them',
    async (signal) => {
      const client = await connectClient();
      const { idle, working } = await startChildren(client);
      const { result, ms } = await timed(() => daemon.kill(signal));
      expect(result).toBe(0);
      expect(ms).toBeLessThan(SHUTDOWN_MS);
      expect(await client.closed).toBe(CLOSE.restarting);
      expect(childrenOf(daemon.home)).toEqual(expect.arrayContaining([idle, working]));
      await waitUntil('the daemon has said it', () =>
        daemon.stderr().includes('2 Claude sessions keep running. The next start continues with them.'),
      );

      await daemon.start();
      expect(new Set(childrenOf(daemon.home))).toEqual(new Set([idle, working]));
      const later = await connectClient();
      await later.request('subscribe', { events: ['*'] });
      api.release('working');
      await later.waitFor(
        ({ type, data }) => type === 'streamComplete' && data.finalResult === 'This one takes longer.',
      );
    },
  );

  test('ends within 1.5 s although a client does not read, and so never answers the close', async () => {
    const client = await connectClient();
    client.pause();
    const { result, ms } = await timed(() => daemon.kill('SIGTERM'));
    expect(result).toBe(0);
    expect(ms).toBeLessThan(SHUTDOWN_MS);
  }, 10_000);

  test('ends within 1.5 s of the second signal too', async () => {
    await connectClient();
    process.kill(daemon.pid, 'SIGINT');
    expect((await timed(() => daemon.kill('SIGTERM'))).ms).toBeLessThan(SHUTDOWN_MS);
  });
});

describe('the home of a daemon', () => {
  test('is served by one: a second daemon says who holds it, and exits with 1', async () => {
    const second = execFile(process.execPath, [MAIN], { env: daemon.environment });
    const said: string[] = [];
    second.stderr?.on('data', (chunk: string) => said.push(chunk));
    const [code] = (await once(second, 'close')) as [number];
    expect(code).toBe(1);
    expect(said.join('')).toContain(
      `Another daemon already serves ${daemon.home} (pid ${daemon.pid}). To stop it: COMPANION_HOME=`,
    );
    expect((await daemon.fetch('/live')).status).toBe(200);
  });

  test('is refused to a second daemon also while the first has not written its pid', async () => {
    writeFileSync(join(daemon.home, 'daemon.pid'), '');
    const second = execFile(process.execPath, [MAIN], { env: daemon.environment });
    const said: string[] = [];
    second.stderr?.on('data', (chunk: string) => said.push(chunk));
    expect(await once(second, 'close')).toEqual([1, null]);
    expect(said.join('')).toContain(`already serves ${daemon.home} (pid unknown)`);
  });

  test('H2: is taken over after a kill -9, with the socket file that was left in it', async () => {
    const socketPath = localSocketPath(daemon.home);
    await daemon.kill('SIGKILL');
    expect(existsSync(socketPath)).toBe(true);
    await daemon.start();
    expect(await statusOf(socketPath, '/live')).toBe(200);
  });
});

async function statusOf(socketPath: string, path: string): Promise<number | undefined> {
  const [response] = (await once(request({ socketPath, path }).end(), 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}
