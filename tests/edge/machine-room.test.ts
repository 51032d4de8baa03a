/** A machine that has no room for another Claude CLI, or loses it while some run. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { healthSchema, type SessionView } from '../../protocol/rest.js';
import { groupMemory } from '../../services/machine/machine-room.js';
import { childrenOf } from '../support/daemon.js';
import { waitUntil } from '../support/wait-until.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld, type World } from '../support/world.js';

/** More than any machine has. */
const TOO_MUCH = String(2 ** 52);
const SHORT = [
  ['memory', 'MIN_FREE_MEMORY_BYTES'],
  ['disk', 'MIN_FREE_DISK_BYTES'],
] as const;

const capacity = (setting: string) => ({
  code: 'CAPACITY',
  message: expect.stringMatching(/^No Claude CLI is started: \d+ MiB .* are needed\.$/),
  details: { suggestion: expect.stringContaining(setting) },
});

const post = (world: World, body: object) =>
  world.daemon.fetch('/api/sessions', {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });

/** Without what changes by itself. */
async function sessionsOf(world: World): Promise<object> {
  const answer = (await (await world.daemon.fetch('/api/sessions')).json()) as { sessions: SessionView[] };
  return { ...answer, sessions: answer.sessions.map((session) => ({ ...session, memoryBytes: 0, uptimeSeconds: 0 })) };
}

const healthOf = async (world: World) => healthSchema.parse(await (await world.daemon.fetch('/health')).json());

describe.each(SHORT)('too little %s', (what, setting) => {
  const world = useWorld({ environment: { [setting]: TOO_MUCH } });

  test('whatever would start a CLI is refused with CAPACITY that names no field, and nothing is made', async () => {
    const client = await world.connect();
    const workingDirectory = world.daemon.project();
    for (const answer of [
      await client.request('streamStart', { prompt: 'Hello?', workingDirectory }),
      await client.request('streamStart', { prompt: '', workingDirectory }),
      await client.request('claudeCommand', { command: '/cost', projectPath: workingDirectory }),
      await client.request('ask', { prompt: 'Hello?' }),
      await client.request('ask', { prompt: 'Hello?', workingDirectory }),
    ]) {
      expect(answer).toMatchObject({ type: 'error', data: capacity(setting) });
      expect(answer.data.details).toEqual({ suggestion: expect.any(String) });
    }
    const posted = await post(world, { workingDirectory });
    expect(posted.status).toBe(503);
    expect(await posted.json()).toMatchObject({ error: { ...capacity(setting), status: 503 } });
    expect(await sessionsOf(world)).toMatchObject({ sessions: [], total: 0 });
    expect(childrenOf(world.daemon.home)).toEqual([]);
  });

  test('the health is degraded with a remedy, and the daemon stays ready', async () => {
    expect(await healthOf(world)).toMatchObject({
      status: 'degraded',
      ok: false,
      checks: { [what]: 'low', database: 'ok' },
      remedies: { [what]: expect.stringContaining(setting) },
    });
    expect((await world.daemon.fetch('/ready')).status).toBe(200);
  });
});

describe('room that goes while children run', () => {
  // It is the daemon that looks for room; the stand-in answers a prompt with its words.
  const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');
  const world = useWorld({ environment: { CLAUDE_PATH } });
  const prompt = 'Before.';
  let client: WireClient;
  let live: string;
  let ended: string;
  let closed: string;

  const ends = ({ promptId }: Frame['data']) =>
    client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);

  async function open(name: string, requestId?: string): Promise<string> {
    const workingDirectory = world.daemon.project(name);
    const started = await client.request('streamStart', { prompt, workingDirectory }, requestId);
    await ends(started.data);
    return String(started.data.sessionId);
  }

  beforeAll(async () => {
    client = await world.connect({ deviceId: 'roomy' });
    live = await open('live');
    ended = await open('ended', 'before');
    closed = await open('closed');
    for (const pid of world.daemon.sessionProcesses(ended)) process.kill(pid, 'SIGKILL');
    await client.waitFor((frame) => frame.sessionId === ended && frame.data.status === 'hibernated');
    await client.request('streamClose', { sessionId: closed, reason: 'done' });
    await waitUntil('its child has ended', () => world.daemon.sessionProcesses(closed).length === 0);
    writeFileSync(join(world.daemon.home, 'config.json'), JSON.stringify({ MIN_FREE_MEMORY_BYTES: TOO_MUCH }));
    await world.daemon.restart('SIGTERM');
    client = await world.connect({ deviceId: 'roomy' });
    await client.request('subscribe', { events: ['*'] });
  });

  test('a session with a child goes on taking prompts, by every way', async () => {
    const later = 'After.';
    const sent = await client.request('streamSend', { sessionId: live, prompt: later });
    expect(sent.type).toBe('promptAccepted');
    expect((await ends(sent.data)).data).toMatchObject({ subtype: 'success', finalResult: 'After.' });
    const joined = await client.request('streamStart', {
      prompt: later,
      workingDirectory: world.daemon.project('live'),
    });
    expect((await ends(joined.data)).data).toMatchObject({ subtype: 'success' });
  });

  test('I1: a session without one takes none, and what it took before is answered again', async () => {
    const before = await sessionsOf(world);
    const refused = [
      await client.request('streamSend', { sessionId: ended, prompt: 'Hello?' }),
      await client.request('claudeCommand', {
        command: '/cost',
        projectPath: world.daemon.project('ended'),
        sessionId: ended,
      }),
      await client.request('streamStart', { prompt: 'Hello?', workingDirectory: world.daemon.project('ended') }),
      await client.request('streamStart', { prompt: 'Hello?', workingDirectory: world.daemon.project('closed') }),
    ];
    for (const answer of refused) {
      expect(answer).toMatchObject({ type: 'error', data: capacity('MIN_FREE_MEMORY_BYTES') });
    }
    expect(await sessionsOf(world)).toEqual(before);
    const workingDirectory = world.daemon.project('ended');
    const again = await client.request('streamStart', { prompt, workingDirectory }, 'before');
    expect(again).toMatchObject({ type: 'streamStarted', data: { sessionId: ended, reused: false } });
  });

  test('a closed session is said to be closed, whatever room there is', async () => {
    const answer = await client.request('streamSend', { sessionId: closed, prompt: 'Hello?' });
    expect(answer).toMatchObject({ type: 'error', data: { code: 'CONFLICT' } });
  });

  test('with room again, sessions without a child start one', async () => {
    rmSync(join(world.daemon.home, 'config.json'));
    await world.daemon.restart('SIGTERM');
    client = await world.connect({ deviceId: 'roomy' });
    const sent = await client.request('streamSend', { sessionId: ended, prompt: 'Again.' });
    expect((await ends(sent.data)).data).toMatchObject({ finalResult: 'Again.' });
  });
});

describe('the memory that control groups leave', () => {
  const mount = mkdtempSync(join(tmpdir(), 'companion-groups-'));
  const membership = join(mount, 'membership');
  afterAll(() => rmSync(mount, { recursive: true }));

  const write = (group: string, files: Record<string, string>) => {
    mkdirSync(join(mount, group), { recursive: true });
    for (const [name, text] of Object.entries(files)) writeFileSync(join(mount, group, name), `${text}\n`);
  };

  test('version 2: the limit less what is used, where the cache of files is not used, of the tightest group', async () => {
    write('a/b', { 'memory.max': 'max', 'memory.high': '900', 'memory.current': '100', 'memory.stat': 'anon 100' });
    write('a', {
      'memory.max': '1000',
      'memory.high': 'max',
      'memory.current': '950',
      'memory.stat': 'anon 250\nfile 700\ninactive_file 500\nactive_file 200',
    });
    writeFileSync(membership, '0::/a/b\n');
    expect(await groupMemory({ membership, mount })).toBe(750);
  });

  test('version 1: the same, also where the path is that of the host', async () => {
    write('memory', {
      'memory.limit_in_bytes': '2000',
      'memory.usage_in_bytes': '1900',
      'memory.stat': 'active_file 1\ntotal_inactive_file 300\ntotal_active_file 100',
    });
    writeFileSync(membership, '9:name=systemd:/\n4:cpu,memory:/docker/c0ffee\n0::/\n');
    expect(await groupMemory({ membership, mount })).toBe(500);
  });

  test('none without a limit, nor where there are no groups', async () => {
    writeFileSync(membership, '0::/elsewhere\n');
    expect(await groupMemory({ membership, mount })).toBe(Number.POSITIVE_INFINITY);
    expect(await groupMemory({ membership: join(mount, 'none'), mount })).toBe(Number.POSITIVE_INFINITY);
  });

  test('nothing below nothing: more than the limit may be used for a moment', async () => {
    write('c', { 'memory.max': '1000', 'memory.current': '1100', 'memory.stat': 'inactive_file 0' });
    writeFileSync(membership, '0::/c\n');
    expect(await groupMemory({ membership, mount })).toBe(0);
  });
});
