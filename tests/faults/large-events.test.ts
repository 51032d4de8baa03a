/** An event that is larger than a frame: its session keeps the others, memory stays small, and REST has the whole. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { blobsIn } from '../support/blobs.js';
import { scenario } from '../support/scripted-api.js';
import { isAlive, waitUntil } from '../support/wait-until.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld, type World } from '../support/world.js';
import { residentOf } from './support/memory.js';

const MIB = 1024 * 1024;
const RETENTION_BYTES = 8 * MIB;
const LARGE = 20 * MIB;
/** Parsing the CLI's line of 20 MiB takes several times its size for a moment. */
const MOST_GROWN_BYTES = 400 * MIB;
const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');

const isLarge = ({ type, data }: Frame) => type === 'toolResult' && data.truncated === true;

/** Has a turn do this, and resolves with what came of it. */
async function run(client: WireClient, sessionId: string, acts: object[]): Promise<Frame[]> {
  const from = client.frames.length;
  await client.request('streamSend', { sessionId, prompt: JSON.stringify([...acts, { result: 'done' }]) });
  await client.waitFor('streamComplete', from);
  return client.frames.slice(from);
}

async function openSession(world: World, deviceId = 'phone'): Promise<{ client: WireClient; sessionId: string }> {
  const client = await world.connect({ deviceId });
  const { data } = await client.request('streamStart', { prompt: '', workingDirectory: world.daemon.project() });
  return { client, sessionId: data.sessionId };
}

async function runLarge(client: WireClient, sessionId: string, bytes = LARGE): Promise<number> {
  const event = (await run(client, sessionId, [{ bigResult: bytes }])).find(isLarge);
  return event?.seq ?? 0;
}

interface Whole {
  seq: number;
  data: { result: string; truncated?: boolean };
}

const read = async (world: World, sessionId: string, seq: number) => {
  const response = await world.daemon.fetch(`/api/sessions/${sessionId}/events/${seq}`);
  return { status: response.status, body: (await response.json()) as Whole };
};

describe('an event of 20 MiB', () => {
  const world = useWorld({ environment: { CLAUDE_PATH, RETENTION_BYTES: String(RETENTION_BYTES) } });
  const blobs = () => blobsIn(world.daemon.home);

  test('leaves the other events of its session, is cut on the wire, and whole over REST', async () => {
    const { client, sessionId } = await openSession(world);
    await run(client, sessionId, []);
    const before = residentOf(world.daemon.pid);
    const seq = await runLarge(client, sessionId);
    expect(blobs()).toMatchObject([{ mode: 0o600 }]);
    const { status, body } = await read(world, sessionId, seq);
    expect(status).toBe(200);
    expect(body.data.result === 'B'.repeat(LARGE)).toBe(true);
    expect(body.data.truncated).toBeUndefined();
    expect(residentOf(world.daemon.pid) - before).toBeLessThan(MOST_GROWN_BYTES);
    // Retention works 200 ms after a session has grown; it removes what it may with the next event.
    await run(client, sessionId, [{ bigResult: 100 }]);
    expect((await read(world, sessionId, 1)).status).toBe(200);
    await world.daemon.fetch(`/api/sessions/${sessionId}?purge=true`, { method: 'DELETE' });
    await waitUntil('its file is gone', () => blobs().length === 0);
  }, 60_000);

  test('is cut for good when newer ones fill what a session may keep', async () => {
    const { client, sessionId } = await openSession(world);
    const older = await runLarge(client, sessionId, 5 * MIB);
    const newer = await runLarge(client, sessionId, 6 * MIB);
    await waitUntil('one file is left', () => blobs().length === 1);
    const [cut, whole] = await Promise.all([older, newer].map((seq) => read(world, sessionId, seq)));
    expect(cut).toMatchObject({ status: 200, body: { seq: older, data: { truncated: true } } });
    expect(whole?.body.data.result).toHaveLength(6 * MIB);
  }, 60_000);

  test('is served as its row has it when its file is gone or was cut short', async () => {
    const { client, sessionId } = await openSession(world);
    const known = new Set(blobs().map(({ path }) => path));
    const seq = await runLarge(client, sessionId, MIB);
    const path = blobs().find((blob) => !known.has(blob.path))?.path ?? '';
    expect((await read(world, sessionId, seq)).body.data.result).toHaveLength(MIB);
    writeFileSync(path, 'short');
    expect(await read(world, sessionId, seq)).toMatchObject({ status: 200, body: { data: { truncated: true } } });
    rmSync(path);
    expect(await read(world, sessionId, seq)).toMatchObject({ status: 200, body: { data: { truncated: true } } });
  }, 60_000);
});

describe('a permission request of 3 MiB', () => {
  // The CLI is the real one: it takes only its own input back.
  const world = useWorld({ environment: { RETENTION_BYTES: String(2 * MIB) } });
  const CONTENT = '"ö\n';
  const TIMES = 800_000;
  const write = (file_path: string) => ({
    tools: [{ name: 'Write', input: { file_path, content: CONTENT }, repeat: { content: TIMES } }],
  });

  async function asked(deviceId: string) {
    const workingDirectory = world.daemon.project();
    const client = await world.connect({ deviceId });
    const prompt = scenario(write(join(workingDirectory, 'a')), write(join(workingDirectory, 'b')), {
      text: 'Both.',
    });
    client.send('streamStart', { prompt, workingDirectory });
    const { data } = await client.waitFor('permissionRequest');
    return { client, workingDirectory, sessionId: String(data.sessionId), permissionId: String(data.permissionId) };
  }
  type Asked = Pick<Awaited<ReturnType<typeof asked>>, 'sessionId' | 'permissionId'>;
  const answer = (client: WireClient, { sessionId, permissionId }: Asked, response: string) =>
    client.request('permission', { sessionId, permissionId, response, remember: false });
  const nextOf =
    ({ permissionId }: Asked) =>
    (frame: Frame) =>
      frame.type === 'permissionRequest' && frame.data.permissionId !== permissionId;

  test('I1: waits on the disk, over a restart and beyond what a session may keep, and is done as it was asked', async () => {
    const { client, workingDirectory, ...first } = await asked('asked');
    const waiting = await (await world.daemon.fetch('/api/waiting')).text();
    expect(waiting).toContain('characters left out');
    expect(waiting.length).toBeLessThan(MIB);
    await world.daemon.restart('SIGKILL');
    const again = await world.connect({ deviceId: 'asked' });
    expect((await answer(again, first, 'allow')).type).toBe('permissionAccepted');
    const second = { ...first, permissionId: String((await again.waitFor(nextOf(first))).data.permissionId) };
    expect((await answer(again, second, 'deny')).type).toBe('permissionAccepted');
    await again.waitFor('streamComplete');
    expect(readFileSync(join(workingDirectory, 'a'), 'utf8') === CONTENT.repeat(TIMES)).toBe(true);
    expect(existsSync(join(workingDirectory, 'b'))).toBe(false);
    await client.close();
  }, 60_000);

  test('can only be denied when what it asks is gone from the disk', async () => {
    const known = new Set(blobsIn(world.daemon.home).map(({ path }) => path));
    const { client, ...first } = await asked('gone');
    for (const { path } of blobsIn(world.daemon.home)) if (!known.has(path)) rmSync(path, { force: true });
    const refused = await answer(client, first, 'allow');
    expect(refused).toMatchObject({ type: 'error', data: { code: 'NOT_FOUND' } });
    expect((await answer(client, first, 'deny')).type).toBe('permissionAccepted');
    await client.waitFor(nextOf(first));
  }, 60_000);
});

describe('a daemon that is killed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'companion-large-'));
  const killPoint = join(folder, 'kill-point.json');
  const preload = join(import.meta.dirname, '../support/kill-points.mjs');
  const world = useWorld({
    environment: { NODE_OPTIONS: `--import ${preload}`, KILL_POINT_FILE: killPoint, CLAUDE_PATH },
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  test.each(['before-commit', 'in-commit', 'after-commit'])(
    'I1: %s of a large event: it is there once, whole, with one file',
    async (point) => {
      const { client, sessionId } = await openSession(world, point);
      await client.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
      const others = blobsIn(world.daemon.home).length;
      writeFileSync(killPoint, JSON.stringify({ point, eventMark: 'BBBBBBBB' }));
      const prompt = JSON.stringify([{ bigResult: MIB }, { result: 'done' }]);
      client.send('streamSend', { sessionId, prompt }, `large-${point}`);
      const { pid } = world.daemon;
      await world.daemon.until(() => !isAlive(pid));
      expect(blobsIn(world.daemon.home)).toHaveLength(others + 1);
      await world.daemon.restart('SIGKILL');
      const again = await world.connect({ deviceId: point });
      await again.waitFor('streamComplete');
      const seqs = again.events(sessionId).flatMap((frame) => (isLarge(frame) ? [frame.seq ?? 0] : []));
      expect(seqs).toHaveLength(1);
      expect((await read(world, sessionId, seqs[0] ?? 0)).body.data.result).toHaveLength(MIB);
      await waitUntil('what no row names is gone', () => blobsIn(world.daemon.home).length === others + 1);
    },
    60_000,
  );
});
