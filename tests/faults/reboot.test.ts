/** The machine goes down under the daemon and its children, and comes up again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { endChildrenOf } from '../support/daemon.js';
import { scenario } from '../support/scripted-api.js';
import { isAlive, waitUntil } from '../support/wait-until.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';
import { createSteps, isEndOf, marked } from './prompt-steps.js';
import { canBoot, createMachine } from './support/booted-machine.js';

if (canBoot()) describe('a rebooted machine', booted);
else {
  test('NOT RUN, since nothing can be mounted here: a rebooted machine', () => {
    expect(process.env.REQUIRE_MOUNT).not.toBe('1');
  });
}

function booted(): void {
  const machine = createMachine();
  const world = useWorld({ command: async () => machine.command });
  const { openSession, ranOnce, view } = createSteps(world);
  const strangers: ChildProcess[] = [];
  afterAll(() => {
    for (const stranger of strangers) stranger.kill('SIGKILL');
    machine.close();
  });

  /** Everything of this home ends at once. */
  async function goDown(): Promise<void> {
    await world.daemon.kill('SIGKILL');
    expect(endChildrenOf(world.daemon.home)).toEqual([]);
    machine.boot();
  }

  /** Lets the record of the session's child name a process that has nothing to do with it, as pids are reused. */
  function giveItsPidToAnother(sessionId: string): number {
    const path = join(world.daemon.home, 'run', sessionId, 'process.json');
    const record = JSON.parse(readFileSync(path, 'utf8')) as { pid: number; startTime: string };
    const stranger = spawn('sleep', ['600'], { stdio: 'ignore' });
    strangers.push(stranger);
    const pid = stranger.pid ?? 0;
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    // Only the boot tells the two apart: its ticks since then are the same.
    const startTime = record.startTime.replace(/^\d+/, `${ticks}`);
    writeFileSync(path, JSON.stringify({ ...record, pid, startTime, seen: [{ pid, group: pid, startTime }] }));
    return pid;
  }

  const caughtUp = (client: WireClient, sessionId: string) =>
    client.waitFor(({ type, data }) => type === 'caughtUp' && data.sessionId === sessionId);

  test('H1, H2, I1: sessions come back, a turn that ran ends once, prompts that waited run, and no stranger is signalled', async () => {
    const client = await world.connect({ deviceId: 'phone' });
    const idle = await openSession(client);
    const running = marked({ text: 'Never said.', gate: 'boot' });
    const workingDirectory = world.daemon.project();
    const { data } = await client.request('streamStart', { prompt: running.prompt, workingDirectory }, running.mark);
    const { sessionId } = data;
    await world.api.reached('boot');
    const queued = marked({ text: 'After the boot.' });
    const waits = await client.request('streamSend', { sessionId, prompt: queued.prompt }, queued.mark);
    await goDown();
    const strangers = [idle.sessionId, sessionId].map(giveItsPidToAnother);
    await world.daemon.start();
    world.api.release('boot');
    const after = await world.connect({ deviceId: 'phone' });
    await caughtUp(after, idle.sessionId);
    const end = await ranOnce(sessionId, { mark: running.mark, promptId: data.promptId });
    expect(end.data).toMatchObject({ subtype: 'child_exited', isError: true });
    const next = await ranOnce(sessionId, { mark: queued.mark, promptId: waits.data.promptId });
    expect(next.data).toMatchObject({ subtype: 'success', finalResult: 'After the boot.' });
    expect((await view(idle.sessionId)).status).toBe('hibernated');
    await waitUntil('only one has files', () => readdirSync(join(world.daemon.home, 'run')).join() === sessionId);
    expect(strangers.map(isAlive)).toEqual([true, true]);
    const again = await after.request('streamSend', { sessionId: idle.sessionId, prompt: scenario({ text: 'Up.' }) });
    expect((await after.waitFor(isEndOf(again.data.promptId))).data.finalResult).toBe('Up.');
    expect(strangers.map(isAlive)).toEqual([true, true]);
  });

  test('I2: an open request expires, and Claude asks again', async () => {
    const client = await world.connect({ deviceId: 'tablet' });
    const ask = { tools: [{ name: 'Bash', input: { command: 'touch it', description: 'x' } }] };
    const prompt = scenario(ask, ask, ask, { text: 'Done.' });
    const { data } = await client.request('streamStart', { prompt, workingDirectory: world.daemon.project() });
    const { sessionId } = data;
    const { permissionId } = (await client.waitFor('permissionRequest')).data;
    await goDown();
    await world.daemon.start();
    const after = await world.connect({ deviceId: 'tablet' });
    const resolved = await after.waitFor(
      ({ type, data: said }) => type === 'permissionResolved' && said.permissionId === permissionId,
    );
    expect(resolved.data.decision).toBe('expired');
    const again = await after.waitFor(
      ({ type, data: said }) => type === 'permissionRequest' && said.permissionId !== permissionId,
    );
    expect(again.data.sessionId).toBe(sessionId);
  });
}
