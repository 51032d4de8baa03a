import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { localSocketPath } from '../../config/local-socket-path.js';
import { CLOSE } from '../../protocol/error-codes.js';
import { childrenOf, MAIN } from '../support/daemon.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

/** A supervisor kills what takes longer. */
const SHUTDOWN_MS = 1_500;

const world = useWorld();
const pidOf = async (sessionId: string): Promise<number> => {
  const session = (await (await world.daemon.fetch(`/api/sessions/${sessionId}`)).json()) as { pid: number };
  return session.pid;
};

async function timed<T>(work: () => Promise<T>): Promise<{ result: T; ms: number }> {
  const started = performance.now();
  const result = await work();
  return { result, ms: performance.now() - started };
}

describe('a daemon that is told to stop', () => {
  let idle: number;
  let working: { pid: number; sessionId: string };

  beforeAll(async () => {
    const client = await world.connect();
    const start = async () => {
      const workingDirectory = world.daemon.project();
      const { data } = await client.request('streamStart', { prompt: scenario({ text: 'Done.' }), workingDirectory });
      await client.waitFor(({ type, sessionId }) => type === 'streamComplete' && sessionId === data.sessionId);
      return { pid: await pidOf(data.sessionId), sessionId: data.sessionId };
    };
    [{ pid: idle }, working] = await Promise.all([start(), start()]);
  });

  test.each(['SIGTERM', 'SIGINT'] as const)(
    'H2: ends within 1.5 s of a %s with code 0, closes with 1012, says how many children go on, and leaves them',
    async (signal) => {
      const client = await world.connect();
      // One child waits for a prompt and one is in the middle of a turn.
      const prompt = scenario({ text: `This one takes longer than ${signal}.`, gate: signal });
      await client.request('streamSend', { sessionId: working.sessionId, prompt });
      await world.api.reached(signal);
      const { result, ms } = await timed(() => world.daemon.kill(signal));
      expect(result).toBe(0);
      expect(ms).toBeLessThan(SHUTDOWN_MS);
      expect(await client.closed).toBe(CLOSE.restarting);
      expect(childrenOf(world.daemon.home)).toEqual(expect.arrayContaining([idle, working.pid]));
      await waitUntil('the daemon has said it', () =>
        world.daemon.stderr().includes('2 Claude sessions keep running. The next start continues with them.'),
      );

      await world.daemon.start();
      expect(new Set(childrenOf(world.daemon.home))).toEqual(new Set([idle, working.pid]));
      const later = await world.connect();
      await later.request('subscribe', { events: ['*'] });
      world.api.release(signal);
      await later.waitFor(
        ({ type, data }) => type === 'streamComplete' && data.finalResult === `This one takes longer than ${signal}.`,
      );
    },
  );

  test('ends within 1.5 s although a client does not read, and so never answers the close', async () => {
    const client = await world.connect();
    client.pause();
    const { result, ms } = await timed(() => world.daemon.kill('SIGTERM'));
    expect(result).toBe(0);
    expect(ms).toBeLessThan(SHUTDOWN_MS);
    await world.daemon.start();
  }, 10_000);

  test('ends within 1.5 s of the second signal too', async () => {
    await world.connect();
    process.kill(world.daemon.pid, 'SIGINT');
    expect((await timed(() => world.daemon.kill('SIGTERM'))).ms).toBeLessThan(SHUTDOWN_MS);
    await world.daemon.start();
  });
});

describe('the home of a daemon', () => {
  test('is refused to a second daemon also while the first has not written its pid', async () => {
    const { home, environment } = world.daemon;
    writeFileSync(join(home, 'daemon.pid'), '');
    const second = execFile(process.execPath, [MAIN], { env: environment });
    const said: string[] = [];
    second.stderr?.on('data', (chunk: string) => said.push(chunk));
    expect(await once(second, 'close')).toEqual([1, null]);
    expect(said.join('')).toContain(`already serves ${home} (pid unknown)`);
  });

  test('H2: is taken over after a kill -9, with the socket file that was left in it', async () => {
    const socketPath = localSocketPath(world.daemon.home);
    await world.daemon.kill('SIGKILL');
    expect(existsSync(socketPath)).toBe(true);
    await world.daemon.start();
    expect(await statusOf(socketPath, '/live')).toBe(200);
  });
});

async function statusOf(socketPath: string, path: string): Promise<number | undefined> {
  const [response] = (await once(request({ socketPath, path }).end(), 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}
