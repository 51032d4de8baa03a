import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import WebSocket from 'ws';
import { localSocketPath } from '../../config/local-socket-path.js';
import { healthSchema } from '../../protocol/rest.js';
import type { ServerEnvelope } from '../../protocol/server-frames.js';
import { childrenOf, type DaemonFolders, environmentIn, makeFolders, TOKEN } from '../support/daemon.js';
import { type DaemonRun, endRun, runDaemon } from '../support/run-daemon.js';
import { waitUntil } from '../support/wait-until.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld, type World } from '../support/world.js';

const healthOf = async (world: World) => {
  const response = await world.daemon.fetch('/health');
  expect(response.status).toBe(200);
  return healthSchema.parse(await response.json());
};

/** All that needs a CLI must say why there is none, and what to do. */
async function refusals(world: World, client: WireClient): Promise<Frame[]> {
  const project = world.daemon.project();
  return [
    await client.request('streamStart', { prompt: 'Hello?', workingDirectory: project }),
    await client.request('streamStart', { prompt: '', workingDirectory: project }),
    await client.request('claudeCommand', { command: '/cost', projectPath: project }),
    await client.request('ask', { prompt: 'Hello?' }),
    await client.request('ask', { prompt: 'Hello?', workingDirectory: project }),
  ];
}

async function expectNothingMade(world: World): Promise<void> {
  expect(await (await world.daemon.fetch('/api/sessions')).json()).toMatchObject({ sessions: [], total: 0 });
  expect(childrenOf(world.daemon.home)).toEqual([]);
}

describe('without a CLI', () => {
  const world = useWorld({ environment: { CLAUDE_PATH: '/nowhere/claude' } });
  const missing = { code: 'CLAUDE_UNAVAILABLE', details: { suggestion: expect.stringContaining('CLAUDE_PATH') } };

  test('the daemon serves, and its health is degraded with a remedy', async () => {
    expect((await world.daemon.fetch('/live')).status).toBe(200);
    expect((await world.daemon.fetch('/ready')).status).toBe(200);
    expect(await healthOf(world)).toMatchObject({
      status: 'degraded',
      ok: false,
      claudeCodeAvailable: false,
      checks: { claude: 'missing', database: 'ok' },
      remedies: { claude: expect.stringContaining('CLAUDE_PATH') },
    });
  });

  test('the welcome has no version of it', async () => {
    const client = await world.connect();
    const welcome = await client.waitFor('welcome');
    expect(welcome.data).not.toHaveProperty('claudeCodeVersion');
    expect(welcome.data).toMatchObject({ protocol: 1, deviceId: expect.any(String) });
  });

  test('whatever needs it is refused with CLAUDE_UNAVAILABLE and what to do, and nothing is made', async () => {
    const client = await world.connect();
    for (const answer of await refusals(world, client)) expect(answer).toMatchObject({ type: 'error', data: missing });
    const posted = await world.daemon.fetch('/api/sessions', {
      method: 'POST',
      body: JSON.stringify({ workingDirectory: '.' }),
      headers: { 'content-type': 'application/json' },
    });
    expect(posted.status).toBe(503);
    expect(await posted.json()).toMatchObject({ error: { ...missing, status: 503 } });
    await expectNothingMade(world);
  });

  test('what needs none of it works', async () => {
    const client = await world.connect();
    for (const answer of [
      await client.request('subscribe', { events: ['*'] }),
      await client.request('setWorkingDirectory', { workingDirectory: '.' }),
      await client.request('registerDevice', { token: 'ab'.repeat(32), platform: 'ios' }),
      await client.request('clientBackgrounding', {}),
    ]) {
      expect(answer.type).not.toBe('error');
    }
  });
});

describe('with a CLI that is not logged in', () => {
  const world = useWorld({ environment: { ANTHROPIC_API_KEY: '' } });
  const loggedOut = { code: 'CLAUDE_NOT_LOGGED_IN', details: { suggestion: expect.stringContaining('/login') } };

  test('whatever needs it is refused with CLAUDE_NOT_LOGGED_IN and what to do, and nothing is made', async () => {
    const client = await world.connect();
    for (const answer of await refusals(world, client)) {
      expect(answer).toMatchObject({ type: 'error', data: loggedOut });
    }
    await expectNothingMade(world);
  });

  test('the daemon serves, and its health is degraded with a remedy', async () => {
    await waitUntil('the CLI was asked', async () => !(await healthOf(world)).claudeCodeAvailable);
    expect(await healthOf(world)).toMatchObject({
      status: 'degraded',
      ok: false,
      checks: { claude: 'not logged in' },
      remedies: { claude: expect.stringContaining('/login') },
    });
  });
});

interface Demo extends DaemonRun {
  url: string;
  folders: DaemonFolders;
}

async function withDemo(environment: Record<string, string>, look: (demo: Demo) => Promise<void>): Promise<void> {
  const folders = makeFolders();
  const { PATH = '', HOME = '', TMPDIR = '' } = environmentIn(folders, '');
  const own = { PATH, HOME, TMPDIR, COMPANION_HOME: folders.home, PORT: '0', PROJECT_ROOTS: folders.root };
  const run = runDaemon({ environment: { ...own, ...environment }, arguments: ['--demo'] });
  try {
    const url = await run.ready;
    if (url === undefined) throw new Error(`the demo ended: ${run.stderr()}`);
    await look({ ...run, url, folders });
  } finally {
    await endRun(run, folders);
  }
}

/** Sends a prompt and returns what came up to the end of its turn. */
async function talk(socket: WebSocket, prompt: string): Promise<ServerEnvelope[]> {
  const frames: ServerEnvelope[] = [];
  socket.on('message', (bytes: Buffer) => frames.push(JSON.parse(bytes.toString()) as ServerEnvelope));
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'streamStart', requestId: 'demo', data: { prompt } }));
  await waitUntil('the turn ends', () => ['streamComplete', 'error'].some((type) => ofType(frames, type)));
  socket.terminate();
  return frames;
}

const ofType = (frames: ServerEnvelope[], type: string) => frames.find((frame) => frame.type === type)?.data;

describe('the demo', () => {
  test('S1: says first that it is one, then the ready line, and nothing more; answers a prompt through the local socket, which only its owner can open; refuses whoever has no token', async () => {
    await withDemo({}, async ({ stdout, url, folders: { home, root } }) => {
      expect(stdout[0]).toMatch(/demo/i);
      expect(JSON.parse(stdout[1] ?? '')).toEqual({ event: 'ready', url, pid: expect.any(Number) });
      const path = localSocketPath(home);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      const frames = await talk(new WebSocket(`ws+unix:${path}:/ws`), 'Hello!');
      expect(ofType(frames, 'streamStarted')).toMatchObject({ workingDirectory: root });
      expect(ofType(frames, 'streamComplete')).toMatchObject({
        isError: false,
        finalResult: expect.stringContaining('demo of Claude Companion'),
      });
      expect((await fetch(`${url}/api/sessions`)).status).toBe(401);
      expect(stdout).toHaveLength(2);
    });
  });

  test('answers a prompt with a token, whatever account the person has', async () => {
    const environment = {
      AUTH_TOKEN: TOKEN,
      ANTHROPIC_API_KEY: 'sk-ant-a-real-one',
      ANTHROPIC_AUTH_TOKEN: 'a-real-one',
      ANTHROPIC_BASE_URL: 'http://127.0.0.1:9',
      CLAUDE_CODE_OAUTH_TOKEN: 'a-real-one',
    };
    await withDemo(environment, async ({ url, folders: { base, home } }) => {
      const headers = { authorization: `Bearer ${TOKEN}` };
      const frames = await talk(new WebSocket(`${url.replace('http', 'ws')}/ws`, { headers }), 'Hello!');
      expect(ofType(frames, 'streamComplete')).toMatchObject({
        isError: false,
        finalResult: expect.stringContaining('demo of Claude Companion'),
      });
      expect(existsSync(join(home, 'claude'))).toBe(true);
      expect(existsSync(join(base, 'home/.claude'))).toBe(false);
      const health = await (await fetch(`${url}/health`, { headers })).json();
      expect(healthSchema.parse(health)).toMatchObject({ claudeCodeAvailable: true, active_sessions: 1 });
    });
  });
});
