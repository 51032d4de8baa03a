/** A disk that is really full: a small one for the daemon's home, with the real daemon and the real CLI on it. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';
import { canMount, createSmallDisk, type SmallDisk } from './support/small-disk.js';

const DISK_BYTES = 12 * 1024 * 1024;

if (canMount()) {
  describe('a disk that is full', fullDisk);
} else {
  test('NOT RUN, since nothing can be mounted here: the daemon on a disk that is full', () => {
    expect(process.env.REQUIRE_MOUNT).not.toBe('1');
  });
}

function fullDisk(): void {
  let disk: SmallDisk;
  const world = useWorld({
    command: async (folders) => {
      disk = await createSmallDisk(folders, DISK_BYTES);
      return disk.command;
    },
  });
  let client: WireClient;
  let sessionId: string;
  let isFull = false;

  const fill = () => {
    disk.fill();
    isFull = true;
  };
  const free = () => {
    if (isFull) disk.free();
    isFull = false;
  };

  beforeEach(async () => {
    client = await world.connect();
    const started = await client.request('streamStart', {
      prompt: scenario({ text: 'Opened.' }),
      workingDirectory: world.daemon.project(),
    });
    ({ sessionId } = started.data);
    await client.waitFor(endOf(started.data.promptId));
  });
  afterEach(free);
  afterAll(() => disk.close());

  /** A prompt that gets its answer, once. */
  const expectGoodTurn = async (text: string) => {
    const prompt = scenario({ text });
    const accepted = await client.request('streamSend', { sessionId, prompt });
    expect(accepted.type).toBe('promptAccepted');
    const end = await client.waitFor(endOf(accepted.data.promptId));
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: text });
    expect(world.api.runs(prompt)).toBe(1);
  };

  const expectOneConversation = () => {
    const events = client.events(sessionId);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    const conversations = events.flatMap(({ type, data }) => (type === 'systemInit' ? [data.claudeSessionId] : []));
    expect(new Set(conversations).size).toBe(1);
  };

  test('D1, I1: prompts are refused, reading and replay go on, and it recovers by itself', async () => {
    const { pid } = world.daemon;
    fill();
    const refused: Frame[] = [];
    // Some room may be left inside of what the journal has already; it is used up by a few.
    while (refused.length < 3) {
      const answer = await client.request('streamSend', {
        sessionId,
        prompt: `${scenario({ text: 'x' })}${'y'.repeat(65_536)}`,
      });
      if (answer.type === 'error') refused.push(answer);
    }
    for (const { data } of refused) expect(data.code).toBe('STORAGE_FULL');
    const reader = await world.connect();
    const epoch = String(client.events(sessionId)[0]?.epoch);
    const subscribed = await reader.request('getMessageHistory', { sessionId });
    expect(subscribed.type).toBe('getMessageHistory');
    const events = (await (await world.daemon.fetch(`/api/sessions/${sessionId}/events/1`)).json()) as { seq: number };
    expect(events.seq).toBe(1);
    expect(epoch).not.toBe('undefined');
    free();
    await expectGoodTurn('Room again.');
    expect(world.daemon.pid).toBe(pid);
    expectOneConversation();
  });

  test('I1: a turn whose output is lost fails with storage_full, runs once, and the conversation goes on', async () => {
    const { pid } = world.daemon;
    const prompt = scenario({ text: 'words '.repeat(4000), chunk: 24, gateAfter: { deltas: 3, gate: 'full' } });
    const accepted = await client.request('streamSend', { sessionId, prompt });
    await world.api.reached('full');
    fill();
    world.api.release('full');
    await client.waitFor(({ type, data }) => type === 'progress' && data.stage === 'storage_full');
    free();
    const end = await client.waitFor(endOf(accepted.data.promptId));
    expect(end.data).toMatchObject({ subtype: 'storage_full', isError: true });
    expect(client.events(sessionId).filter(endOf(accepted.data.promptId))).toHaveLength(1);
    expect(client.events(sessionId).some(({ type, data }) => type === 'error' && data.code === 'STORAGE_FULL')).toBe(
      true,
    );
    await expectGoodTurn('The next one.');
    expect(world.api.runs(prompt)).toBe(1);
    expect(world.daemon.pid).toBe(pid);
    expectOneConversation();
  });

  test('I1: room that comes back in mid-turn joins no torn line with the next: the turn fails and tells', async () => {
    const prompt = scenario(
      { text: 'words '.repeat(4000), chunk: 24, gateAfter: { deltas: 3, gate: 'narrow' } },
      { text: 'x' },
    );
    const accepted = await client.request('streamSend', { sessionId, prompt });
    await world.api.reached('narrow');
    const output = join(disk.home, 'run', sessionId, 'stdout.jsonl');
    fill();
    world.api.release('narrow');
    await world.daemon.until(
      () => statSync(output).size % 4096 === 0 && !readFileSync(output).subarray(-1).equals(NEWLINE),
    );
    free();
    const end = await client.waitFor(endOf(accepted.data.promptId));
    expect(end.data).toMatchObject({ subtype: 'storage_full', isError: true });
    await expectGoodTurn('The one after.');
    expect(world.api.runs(prompt)).toBe(1);
    expectOneConversation();
  });

  test('H2, I1: a daemon that dies on a full disk is there again when there is room, and nothing runs twice', async () => {
    const prompt = scenario({ text: 'words '.repeat(4000), chunk: 24, gateAfter: { deltas: 3, gate: 'deadly' } });
    const accepted = await client.request('streamSend', { sessionId, prompt });
    await world.api.reached('deadly');
    fill();
    world.api.release('deadly');
    await client.waitFor(({ type, data }) => type === 'progress' && data.stage === 'storage_full');
    await world.daemon.kill('SIGKILL');
    const started = await world.daemon.start().then(
      () => 'serves',
      (error: Error) => error.message,
    );
    expect(started).toMatch(/^serves$|cannot be written/);
    free();
    if (started !== 'serves') await world.daemon.start();
    client = await world.connect({ deviceId: client.deviceId });
    const from = await client.request('subscribe', {
      events: ['*'],
      sessionIds: [sessionId],
      cursors: { [sessionId]: { epoch: await epochOf(client), seq: 0 } },
    });
    expect(from.type).toBe('subscribed');
    const end = await client.waitFor(endOf(accepted.data.promptId));
    expect(end.data).toMatchObject({ isError: true });
    await expectGoodTurn('After the restart.');
    expect(world.api.runs(prompt)).toBe(1);
  });
}

const NEWLINE = Buffer.from('\n');

const endOf = (promptId: string) => (frame: Frame) =>
  frame.type === 'streamComplete' && frame.data.promptId === promptId;

const epochOf = async (client: WireClient): Promise<string> => String((await client.waitFor('welcome')).data.epoch);
