/** Children that die again and again, or can no longer ask for permission: replaced, with patience, and given up in the end. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { hurry } from '../support/hurry.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';
import { createSteps, isEndOf } from './prompt-steps.js';
import { makeQuickCli } from './quick-cli.js';

const folder = mkdtempSync(join(tmpdir(), 'companion-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** By when restarts of a child that fails are given up: the seconds between them pass this much faster. */
const FASTER = 20;

/** The stand-in writes no transcript, which each child that takes its place says. */
const isOfTranscript = ({ type, data }: { type: string; data: Record<string, unknown> }): boolean =>
  type === 'error' && String(data.message).includes('has no transcript');

const errorsOf = (client: WireClient, sessionId: string): string[] =>
  client
    .events(sessionId)
    .filter((event) => event.type === 'error' && !isOfTranscript(event))
    .map(({ data }) => String(data.message));

const isStatus =
  (sessionId: string, status: string) =>
  ({ type, data }: Frame): boolean =>
    type === 'sessionStatus' && data.sessionId === sessionId && data.status === status;

describe('a CLI that ends as soon as it is started', () => {
  const world = useWorld({ environment: { CLAUDE_PATH: makeQuickCli(folder), ...hurry(FASTER) } });
  const starts = join(folder, 'starts');
  const howMany = () => (existsSync(starts) ? readFileSync(starts, 'utf8').length : 0);

  test('I1: is tried five times and given up with its last words; the next prompt tries again, and runs when it is mended', async () => {
    const client = await world.connect({ deviceId: 'phone' });
    const words = 'echo "first I said this" >&2; echo "and then that" >&2; exit 3';
    const script = `case "$1" in --version) echo 1 ;; auth) echo '{"loggedIn": true}' ;; *) printf x >> ${starts}; ${words} ;; esac`;
    const path = makeQuickCli(folder);
    writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const prompt = scenario({ text: 'Never.' });
    const { data } = await client.request('streamStart', { prompt, workingDirectory: world.daemon.project() });
    const { sessionId } = data;
    const waits = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Nor this.' }) });
    for (const { promptId } of [data, waits.data]) {
      expect((await client.waitFor(isEndOf(promptId))).data).toMatchObject({ subtype: 'child_exited', isError: true });
    }
    await client.waitFor(isStatus(sessionId, 'error'));
    const told = errorsOf(client, sessionId);
    expect(told).toHaveLength(6);
    for (const message of told) expect(message).toMatch(/with code 3.*first I said this\nand then that/s);
    expect(told.at(-1)).toContain('No Claude CLI could be kept running');
    expect(howMany()).toBe(5);

    await world.daemon.restart('SIGKILL');
    const after = await world.connect({ deviceId: 'phone' });
    await after.waitFor(({ type, data: { sessionId: id } }) => type === 'caughtUp' && id === sessionId);
    const again = await after.request('streamSend', { sessionId, prompt: scenario({ text: 'Nor that.' }) });
    expect((await after.waitFor(isEndOf(again.data.promptId))).data.subtype).toBe('child_exited');
    expect(howMany()).toBe(10);
    for (const { promptId } of [data, waits.data, again.data]) {
      const ends = [client, after].flatMap((one) => one.events(sessionId).filter(isEndOf(promptId)));
      expect(new Set(ends.map(({ seq }) => seq)).size).toBe(1);
    }

    makeQuickCli(folder);
    const well = await after.request('streamSend', { sessionId, prompt: scenario({ text: 'Now I can.' }) });
    expect((await after.waitFor(isEndOf(well.data.promptId))).data.finalResult).toBe('Now I can.');
    expect(world.daemon.sessionProcesses(sessionId)).toHaveLength(1);
  });
});

describe('a child that can no longer ask for permission', () => {
  const world = useWorld({
    environment: { CLAUDE_PATH: join(import.meta.dirname, '../support/fake-cli.mjs'), ...hurry(FASTER) },
  });
  const { view } = createSteps(world);

  const use = { type: 'tool_use', id: 't1', name: 'Bash', input: { command: 'x' } };
  const failure = 'Tool permission request failed: Error: Stream closed';
  const result = { type: 'tool_result', tool_use_id: 't1', content: failure, is_error: true };
  const deaf = [
    { line: { type: 'assistant', message: { id: 'm1', content: [use] }, parent_tool_use_id: null } },
    { line: { type: 'user', message: { role: 'user', content: [result] }, parent_tool_use_id: null } },
  ];

  const begin = async (client: WireClient, workingDirectory: string) => {
    const prompt = JSON.stringify(deaf);
    return (await client.request('streamStart', { prompt, workingDirectory })).data;
  };

  const fromDaemon = ({ type, data }: Frame) => type === 'humanMessage' && data.deviceId === 'companion';

  test('H1: is replaced and told to go on by the daemon itself; whoever follows is told why', async () => {
    const client = await world.connect();
    const workingDirectory = world.daemon.project();
    const opened = await client.request('streamStart', { prompt: '', workingDirectory });
    await client.waitFor(isStatus(opened.data.sessionId, 'idle'));
    const { pid } = await view(opened.data.sessionId);
    const { sessionId, promptId } = await begin(client, workingDirectory);
    const queued = await client.request('streamSend', { sessionId, prompt: '[{"result": "The one behind."}]' });
    const told = await client.waitFor(fromDaemon);
    // The stand-in has no transcript, so it is told what it was asked.
    expect(told.data.content[0]?.text).toContain('It had not stored what you were asked');
    expect((await client.waitFor(isEndOf(promptId))).data.subtype).toBe('child_exited');
    expect((await client.waitFor(isEndOf(String(told.data.promptId)))).data.subtype).toBe('success');
    expect((await client.waitFor(isEndOf(queued.data.promptId))).data.finalResult).toBe('The one behind.');
    expect(errorsOf(client, sessionId)).toEqual([expect.stringContaining('can no longer ask for permission')]);
    const order = client
      .events(sessionId)
      .filter((event) => ['error', 'streamComplete', 'humanMessage'].includes(event.type) && !isOfTranscript(event));
    expect(order.map(({ type }) => type)).toEqual([
      'humanMessage',
      'error',
      'streamComplete',
      'humanMessage',
      'streamComplete',
      'humanMessage',
      'streamComplete',
    ]);
    expect((await view(sessionId)).pid).not.toBe(pid);
  });

  test('is given up when those that replace it cannot either', async () => {
    const client = await world.connect();
    const workingDirectory = world.daemon.project();
    writeFileSync(join(workingDirectory, 'acts.json'), JSON.stringify(deaf));
    const { sessionId } = await begin(client, workingDirectory);
    await client.waitFor(isStatus(sessionId, 'error'));
    const told = errorsOf(client, sessionId);
    expect(told).toHaveLength(6);
    expect(told.at(-1)).toContain('No Claude CLI could be kept running');
    expect(client.events(sessionId).filter(({ type }) => type === 'streamComplete')).toHaveLength(5);
    await waitUntil('nothing runs', () => world.daemon.sessionProcesses(sessionId).length === 0);
    const next = await client.request('streamSend', { sessionId, prompt: '[{"result": "Well again."}]' });
    expect((await client.waitFor(isEndOf(next.data.promptId))).data.finalResult).toBe('Well again.');
  });
});
