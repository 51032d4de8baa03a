/** What `GET /api/sessions/:id` says of a session's child and of its status over time. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type SessionView, sessionViewSchema } from '../../protocol/rest.js';
import { rewriteRecord } from '../support/rewrite-record.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const folder = mkdtempSync(join(tmpdir(), 'companion-view-'));
const CLOCK_FILE = join(folder, 'offset');
const preload = join(import.meta.dirname, '../support/moved-clock.mjs');
const world = useWorld({ environment: { NODE_OPTIONS: `--import ${preload}`, CLOCK_FILE } });
afterAll(() => rmSync(folder, { recursive: true }));

const HOUR_MS = 3_600_000;

let client: WireClient;
beforeEach(async () => {
  writeFileSync(CLOCK_FILE, '0');
  client = await world.connect();
});

const view = async (id: string): Promise<SessionView> =>
  sessionViewSchema.strict().parse(await (await world.daemon.fetch(`/api/sessions/${id}`)).json());

const statusIs = (id: string, status: string) =>
  waitUntil(`${id} is ${status}`, async () => (await view(id)).status === status);

/** The moment of the last `sessionStatus` with this status. */
const toldAt = (id: string, status: string): string =>
  client.events(id).findLast(({ type, data }) => type === 'sessionStatus' && data.status === status)
    ?.timestamp as string;

/** Most tests share a session: each leaves it idle. */
async function openIdle(workingDirectory = world.daemon.project('shared')): Promise<string> {
  const prompt = scenario({ text: 'Open.' });
  const started = await client.request('streamStart', { prompt, workingDirectory });
  await client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === started.data.promptId);
  await statusIs(started.data.sessionId, 'idle');
  return started.data.sessionId;
}

/** Moves the clock of the daemon that is started next. */
async function restartAt(offsetMs: number): Promise<void> {
  writeFileSync(CLOCK_FILE, String(offsetMs));
  await world.daemon.restart('SIGTERM');
  client = await world.connect();
}

describe('a session that is shown', () => {
  test('tells since when it has its status; a prompt that waits changes nothing of that', async () => {
    const prompt = scenario({ text: 'Slowly.', gateAfter: { deltas: 1, gate: 'slow' } });
    const id = await openIdle();
    const idle = await view(id);
    expect(idle.statusSince).toBe(toldAt(id, 'idle'));
    const first = await client.request('streamSend', { sessionId: id, prompt });
    await world.api.reached('slow');
    const { statusSince } = await view(id);
    expect(Date.parse(statusSince ?? '')).toBeGreaterThanOrEqual(Date.parse(idle.statusSince ?? ''));
    const second = await client.request('streamSend', { sessionId: id, prompt: scenario({ text: 'Next.' }) });
    await client.waitFor(({ type, data }) => type === 'sessionStatus' && data.queueDepth === 1);
    expect(await view(id)).toMatchObject({ status: 'working', statusSince, queueDepth: 1 });
    world.api.release('slow');
    for (const { data } of [first, second]) {
      await client.waitFor((frame) => frame.type === 'streamComplete' && frame.data.promptId === data.promptId);
    }
  });

  test('H2: the child grows older while daemons come and go, and never younger than now', async () => {
    const id = await openIdle();
    const young = await view(id);
    expect(young).toMatchObject({ pid: expect.any(Number), memoryBytes: expect.any(Number) });
    expect(young.uptimeSeconds).toBeLessThan(HOUR_MS / 1000);
    await restartAt(HOUR_MS);
    const old = await view(id);
    expect(old).toMatchObject({ pid: young.pid, status: 'idle', statusSince: young.statusSince });
    expect(old.uptimeSeconds).toBeGreaterThanOrEqual(HOUR_MS / 1000);
    await restartAt(-HOUR_MS);
    expect(await view(id)).toMatchObject({ pid: young.pid, uptimeSeconds: 0 });
    await restartAt(0);
  });

  test('H2: one whose record an older daemon wrote is taken up and shown without them', async () => {
    const id = await openIdle();
    const { pid } = await view(id);
    await world.daemon.kill('SIGTERM');
    rewriteRecord(world.daemon.home, id, (record) => {
      delete record.statusSince;
      delete record.child?.startedAt;
      return record;
    });
    await world.daemon.start();
    client = await world.connect();
    const older = await view(id);
    expect(older).toMatchObject({ pid, status: 'idle' });
    expect(older).not.toHaveProperty('uptimeSeconds');
    expect(older).not.toHaveProperty('statusSince');
    await client.request('subscribe', { events: ['*'] });
    const prompt = scenario({ text: 'On.' });
    await client.request('streamSend', { sessionId: id, prompt });
    await client.waitFor('streamComplete');
    await statusIs(id, 'idle');
    expect(await view(id)).toMatchObject({ statusSince: expect.any(String) });
  });

  test('has no child’s figures without a child', async () => {
    const id = await openIdle();
    await client.request('streamClose', { sessionId: id, reason: 'done' });
    await waitUntil('its child has ended', async () => (await view(id)).pid === undefined);
    const closed = await view(id);
    expect(closed).toMatchObject({ status: 'closed', statusSince: toldAt(id, 'closed') });
    expect(closed).not.toHaveProperty('memoryBytes');
    expect(closed).not.toHaveProperty('uptimeSeconds');
  });
});
