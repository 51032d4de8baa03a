/** A disk that is really full: a small one for the daemon's home, with the real daemon and the real CLI on it. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import type { Frame } from '../support/wire-client.js';
import { endOf } from './support/failing-world.js';
import { canMount } from './support/small-disk.js';
import { useSmallDiskWorld } from './support/small-disk-world.js';

if (canMount()) {
  describe('a disk that is full', fullDisk);
} else {
  test('NOT RUN, since nothing can be mounted here: the daemon on a disk that is full', () => {
    expect(process.env.REQUIRE_MOUNT).not.toBe('1');
  });
}

const NEWLINE = Buffer.from('\n');
const BLOCK_BYTES = 4096;
const LONG = { text: 'words '.repeat(4000), chunk: 24 };

function fullDisk(): void {
  const stage = useSmallDiskWorld();
  const { world, fill, free } = stage;

  const outputOf = (sessionId: string) => join(stage.home, 'run', sessionId, 'stdout.jsonl');
  const isTorn = (output: string) =>
    statSync(output).size % BLOCK_BYTES === 0 && !readFileSync(output).subarray(-1).equals(NEWLINE);

  const expectOneConversation = () => {
    const events = stage.client.events(stage.sessionId);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    const conversations = events.flatMap(({ type, data }) => (type === 'systemInit' ? [data.claudeSessionId] : []));
    expect(new Set(conversations).size).toBe(1);
  };

  test('D1, I1: prompts are refused, reading and replay go on, and it recovers by itself', async () => {
    const { client, sessionId } = stage;
    const { pid } = world.daemon;
    fill();
    const refused: Frame[] = [];
    const padding = 'y'.repeat(65_536);
    // Some room may be left inside of what the journal has already; it is used up by a few.
    while (refused.length < 3) {
      const answer = await client.request('streamSend', { sessionId, prompt: `${scenario({ text: 'x' })}${padding}` });
      if (answer.type === 'error') refused.push(answer);
    }
    expect(refused.map(({ data }) => data.code)).toEqual(refused.map(() => 'STORAGE_FULL'));
    const reader = await world.connect();
    expect((await reader.request('getMessageHistory', { sessionId })).type).toBe('getMessageHistory');
    const first = await world.daemon.fetch(`/api/sessions/${sessionId}/events/1`);
    expect(await first.json()).toMatchObject({ seq: 1 });
    free();
    await stage.expectGoodTurn('Room again.');
    expect(world.daemon.pid).toBe(pid);
    expectOneConversation();
  });

  test('I1: a turn whose output is lost fails with storage_full, runs once, and the conversation goes on', async () => {
    const { client, sessionId } = stage;
    const { pid } = world.daemon;
    const prompt = scenario({ ...LONG, gateAfter: { deltas: 3, gate: 'full' } });
    const accepted = await client.request('streamSend', { sessionId, prompt });
    await world.api.reached('full');
    fill();
    world.api.release('full');
    await client.waitFor(({ type, data }) => type === 'progress' && data.stage === 'storage_full');
    free();
    const end = await client.waitFor(endOf(accepted.data.promptId));
    expect(end.data).toMatchObject({ subtype: 'storage_full', isError: true });
    const events = client.events(sessionId);
    expect(events.filter(endOf(accepted.data.promptId))).toHaveLength(1);
    expect(events.some(({ type, data }) => type === 'error' && data.code === 'STORAGE_FULL')).toBe(true);
    await stage.expectGoodTurn('The next one.');
    expect(world.api.runs(prompt)).toBe(1);
    expect(world.daemon.pid).toBe(pid);
    expectOneConversation();
  });

  test('I1: a line that an idle child tore costs the next turn nothing', async () => {
    const { client, sessionId } = stage;
    fill();
    // The last block of the file takes as much of an answer as it has room for.
    await waitUntil('the child has torn an answer', () => {
      client.send('contextUsage', { sessionId });
      return isTorn(outputOf(sessionId));
    });
    free();
    await stage.expectGoodTurn('Untouched.');
    expect(client.events(sessionId).filter(({ type }) => type === 'error')).toEqual([]);
    expectOneConversation();
  });

  test('I1: room that comes back in mid-turn joins no torn line with the next: the turn fails and tells', async () => {
    const { client, sessionId } = stage;
    const tools = [{ name: 'Glob', input: { pattern: 'nothing-*' } }];
    const first = { ...LONG, tools, gateAfter: { deltas: 3, gate: 'narrow' } };
    const prompt = scenario(first, { text: 'With room again.', gate: 'room' });
    const accepted = await client.request('streamSend', { sessionId, prompt });
    await world.api.reached('narrow');
    fill();
    world.api.release('narrow');
    // Its next request shows that the CLI has done with the line it could not write.
    await world.api.reached('room');
    expect(isTorn(outputOf(sessionId))).toBe(true);
    free();
    world.api.release('room');
    const end = await client.waitFor(endOf(accepted.data.promptId));
    expect(end.data).toMatchObject({ subtype: 'storage_full', isError: true });
    await stage.expectGoodTurn('The one after.');
    expect(world.api.runs(prompt)).toBe(1);
    expectOneConversation();
  });
}
