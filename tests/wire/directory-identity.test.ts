import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { useWorld } from '../support/world.js';

const world = useWorld();

describe('H1: the identity of a directory', () => {
  test('H1: a new directory does not get the session of a deleted one, though the system may give it the same inode', async () => {
    const client = await world.connect();
    const first = world.daemon.project('one');
    const old = await client.request('streamStart', { prompt: '', workingDirectory: first });
    await client.request('streamClose', { sessionId: old.data.sessionId, reason: 'deleted' });
    await world.daemon.until(() => world.daemon.sessionProcesses(old.data.sessionId).length === 0);
    const second = join(world.daemon.root, 'two');
    rmSync(first, { recursive: true });
    mkdirSync(second);
    const fresh = await client.request('streamStart', {
      prompt: scenario({ text: 'Here.' }),
      workingDirectory: second,
    });
    expect(fresh.data).toMatchObject({ workingDirectory: second, reused: false });
    const end = await client.waitFor(
      ({ data }) => data.promptId === fresh.data.promptId && data.finalResult === 'Here.',
    );
    expect(end.sessionId).toBe(fresh.data.sessionId);
  });

  test('a directory that was moved is another one; one made again under the same path is the same', async () => {
    const client = await world.connect();
    const path = world.daemon.project('moved');
    const before = await client.request('streamStart', { prompt: '', workingDirectory: path });
    await client.request('streamClose', { sessionId: before.data.sessionId, reason: 'moved' });
    const elsewhere = join(world.daemon.root, 'elsewhere');
    renameSync(path, elsewhere);
    const moved = await client.request('streamStart', { prompt: '', workingDirectory: elsewhere });
    expect(moved.data).toMatchObject({ workingDirectory: elsewhere, reused: false });
    mkdirSync(path);
    const again = await client.request('streamStart', { prompt: '', workingDirectory: path });
    expect(again.data).toMatchObject({ sessionId: before.data.sessionId, reused: true });
  });

  test('a session that is opened again while its child is still ending gets another', async () => {
    const client = await world.connect();
    const workingDirectory = world.daemon.project();
    const { sessionId } = (await client.request('streamStart', { prompt: '', workingDirectory })).data;
    await client.waitFor(
      ({ type, data }) => type === 'sessionStatus' && data.sessionId === sessionId && data.status === 'idle',
    );
    await client.request('streamClose', { sessionId, reason: 'and again' });
    const from = client.frames.length;
    await client.request('streamStart', { prompt: '', workingDirectory });
    await client.waitFor(
      ({ type, data }) => type === 'sessionStatus' && data.sessionId === sessionId && data.status === 'idle',
      from,
    );
  });
});
