/** Sessions that nobody uses are closed after `SESSION_TTL_MS`; those in which something is under way are not. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { rewriteRecord } from '../support/rewrite-record.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld, type World } from '../support/world.js';

const HOUR_MS = 3_600_000;

const view = async (world: World, sessionId: string) =>
  (await (await world.daemon.fetch(`/api/sessions/${sessionId}`)).json()) as { status: string; pid?: number };

const open = (world: World, client: WireClient, prompt: string) =>
  client.request('streamStart', { prompt, workingDirectory: world.daemon.project() });

const isClosed =
  (sessionId: string) =>
  ({ type, data }: Frame): boolean =>
    type === 'sessionStatus' && data.sessionId === sessionId && data.status === 'closed';

const command = (text: string, background = false) => {
  const input = { command: text, description: 'x', ...(background && { run_in_background: true }) };
  return { name: 'Bash', input };
};

describe('an unused session', () => {
  const world = useWorld({ environment: { SESSION_TTL_MS: '1500', CLAUDE_ALLOWED_TOOLS: 'Bash(sleep:*)' } });

  test('that a program began is removed with its folder', async () => {
    const body = JSON.stringify({ input: scenario({ text: 'Kept for a while.' }) });
    const headers = { 'content-type': 'application/json' };
    const answer = await world.daemon.fetch('/v1/responses', { method: 'POST', body, headers });
    const { id, session_id: own } = (await answer.json()) as { id: string; session_id: string };
    expect(answer.status).toBe(200);
    const isGone = async (path: string) => (await world.daemon.fetch(path)).status === 404;
    await waitUntil('the response is gone', () => isGone(`/v1/responses/${id}`));
    await waitUntil('its session is gone', () => isGone(`/api/sessions/${own}`));
    const folders = () => readdirSync(join(world.daemon.home, 'responses'));
    await waitUntil('its folder is gone', () => folders().length === 0);
    expect(world.daemon.sessionProcesses(own)).toEqual([]);
  });

  test('H3: is closed as unused with its child, and opened again by the next prompt, with its conversation; those in which something is under way are not closed', async () => {
    const client = await world.connect();
    const asking = await open(world, client, scenario({ tools: [command('echo asked > it')] }, { text: 'Done.' }));
    await client.waitFor('permissionRequest');
    const working = await open(world, client, scenario({ text: 'Long.', gateAfter: { deltas: 1, gate: 'long' } }));
    await world.api.reached('long');
    const background = [{ tools: [command('sleep 600', true)] }, { text: 'It runs.' }];
    const behind = await open(world, client, scenario(...background));
    await client.waitFor(({ type, data }) => type === 'sessionStatus' && 'background' in data);
    const unused = await open(world, client, scenario({ text: 'Hello.' }));
    const { sessionId, workingDirectory } = unused.data;
    const isInit = ({ type, data }: Frame) => type === 'systemInit' && data.sessionId === sessionId;
    const closed = await client.waitFor(isClosed(sessionId));
    expect(closed.data).toMatchObject({ reason: 'unused' });
    await world.daemon.until(() => world.daemon.sessionProcesses(sessionId).length === 0);
    expect(await view(world, asking.data.sessionId)).toMatchObject({ status: 'waiting' });
    expect(await view(world, working.data.sessionId)).toMatchObject({ status: 'working' });
    expect(await view(world, behind.data.sessionId)).toMatchObject({ status: 'idle' });
    world.api.release('long');
    await client.waitFor(isClosed(working.data.sessionId));
    await client.request('streamClose', { sessionId: behind.data.sessionId, reason: 'done' });
    const { data: before } = await client.waitFor(isInit);
    const from = client.frames.length;
    const again = { prompt: scenario({ text: 'Two.' }), workingDirectory: String(workingDirectory) };
    const second = await client.request('streamStart', again);
    expect(second.data).toMatchObject({ sessionId, reused: true });
    const ended = await client.waitFor(({ type }) => type === 'streamComplete', from);
    expect(ended.data).toMatchObject({ finalResult: 'Two.' });
    expect(client.frames.slice(from).find(isInit)?.data.claudeSessionId ?? before.claudeSessionId).toBe(
      before.claudeSessionId,
    );
  });
});

describe('a clock that is wrong', () => {
  const folder = mkdtempSync(join(tmpdir(), 'companion-expiry-'));
  const CLOCK_FILE = join(folder, 'offset');
  const preload = join(import.meta.dirname, '../support/moved-clock.mjs');
  // Only the daemon reads the clock; any child that stays will do.
  const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');
  const environment = { NODE_OPTIONS: `--import ${preload}`, CLOCK_FILE, CLAUDE_PATH, SESSION_TTL_MS: String(HOUR_MS) };
  const world = useWorld({ environment });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('a day ahead closes no session; one that was unused before that is closed at the start', async () => {
    const client = await world.connect();
    const ids: string[] = [];
    for (const text of ['One.', 'Two.', 'Three.']) {
      const { data } = await open(world, client, text);
      await client.waitFor((frame) => frame.type === 'streamComplete' && frame.data.promptId === data.promptId);
      ids.push(data.sessionId);
    }
    // The journal gives them back in this order, and so they are looked at: the others before the unused one.
    const [recent = '', opened = '', unused = ''] = ids.sort((a, b) => (a < b ? -1 : 1));
    await world.daemon.kill('SIGTERM');
    const longAgo = Date.now() - 2 * HOUR_MS;
    const { home } = world.daemon;
    rewriteRecord(home, opened, (record) => ({ ...record, lastActivity: longAgo }));
    rewriteRecord(home, unused, (record) => ({ ...record, lastActivity: longAgo, updatedAt: longAgo }));
    writeFileSync(CLOCK_FILE, String(24 * HOUR_MS));
    await world.daemon.start();
    const statusOf = async (sessionId: string) => (await view(world, sessionId)).status;
    await waitUntil('the unused one is closed', async () => (await statusOf(unused)) === 'closed');
    expect(await statusOf(recent)).toBe('idle');
    expect(await statusOf(opened)).toBe('idle');
  });
});
