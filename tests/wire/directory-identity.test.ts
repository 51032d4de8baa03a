/**
 * Which session a directory has. The daemon asks the system where a child is, so the stand-in for the CLI will do; one test
 * holds that for the real one.
 */
import { mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { waitUntil } from '../support/wait-until.js';
import { useWorld, type World } from '../support/world.js';

const world = useWorld({ environment: { CLAUDE_PATH: join(import.meta.dirname, '../support/fake-cli.mjs') } });
const real = useWorld();

async function hasProcess(sessionId: string): Promise<boolean> {
  const view = await (await world.daemon.fetch(`/api/sessions/${sessionId}`)).json();
  return typeof view === 'object' && view !== null && 'pid' in view;
}

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
      prompt: 'Here.',
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
    // A process that is starting or exiting has a working directory too, which the session would follow.
    await client.waitFor(
      ({ type, data }) =>
        type === 'sessionStatus' && data.sessionId === before.data.sessionId && data.status === 'idle',
    );
    await client.request('streamClose', { sessionId: before.data.sessionId, reason: 'moved' });
    await waitUntil('the daemon knows that it ended', async () => !(await hasProcess(before.data.sessionId)));
    const elsewhere = join(world.daemon.root, 'elsewhere');
    renameSync(path, elsewhere);
    const moved = await client.request('streamStart', { prompt: '', workingDirectory: elsewhere });
    expect(moved.data).toMatchObject({ workingDirectory: elsewhere, reused: false });
    mkdirSync(path);
    const again = await client.request('streamStart', { prompt: '', workingDirectory: path });
    expect(again.data).toMatchObject({ sessionId: before.data.sessionId, reused: true });
  });

  describe('a directory that was renamed under its child', () => {
    const begun = async (name: string, of: World = world) => {
      const client = await of.connect();
      const path = of.daemon.project(name);
      const { sessionId } = (await client.request('streamStart', { prompt: '', workingDirectory: path })).data;
      await client.waitFor(
        ({ type, data }) => type === 'sessionStatus' && data.sessionId === sessionId && data.status === 'idle',
      );
      const renamed = join(of.daemon.root, `${name}-renamed`);
      renameSync(path, renamed);
      return { path, renamed, sessionId };
    };

    test.each([
      ['in the same daemon', () => world],
      ['after a restart', () => world],
      ['with the real CLI after a restart', () => real],
    ])('H1: has one child under its new name, %s', async (when, worldOf) => {
      const of = worldOf();
      const { renamed, sessionId } = await begun(`under-${when.length}`, of);
      if (when !== 'in the same daemon') await of.daemon.restart('SIGKILL');
      const client = await of.connect();
      const link = `${renamed}-link`;
      symlinkSync(renamed, link);
      for (const workingDirectory of [renamed, link]) {
        const { data } = await client.request('streamStart', { prompt: '', workingDirectory });
        expect(data).toMatchObject({ sessionId, workingDirectory: renamed, reused: true });
      }
    });

    test('H1: leaves its old name to a new directory, which gets a session of its own', async () => {
      const { path, renamed, sessionId } = await begun('old-name');
      const client = await world.connect();
      mkdirSync(path);
      const fresh = await client.request('streamStart', { prompt: '', workingDirectory: path });
      expect(fresh.data).toMatchObject({ workingDirectory: path, reused: false });
      const view = await (await world.daemon.fetch(`/api/sessions/${sessionId}`)).json();
      expect(view).toMatchObject({ workingDirectory: renamed });
      const joined = await client.request('streamStart', { prompt: '', workingDirectory: renamed });
      expect(joined.data).toMatchObject({ sessionId, reused: true });
    });

    test('a session that sleeps says that its directory is gone, and wakes when it is back', async () => {
      const { path, renamed, sessionId } = await begun('asleep');
      const view = async () =>
        (await (await world.daemon.fetch(`/api/sessions/${sessionId}`)).json()) as { pid?: number; status: string };
      process.kill((await view()).pid ?? 0, 'SIGTERM');
      await waitUntil('the daemon knows of its end', async () => (await view()).pid === undefined);
      const client = await world.connect();
      const refused = await client.request('streamSend', { sessionId, prompt: 'Anybody?' });
      expect(refused.data).toMatchObject({
        code: 'PROJECT_NOT_FOUND',
        message: `The directory of the session is gone: ${path}`,
      });
      renameSync(renamed, path);
      await client.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
      const accepted = await client.request('streamSend', { sessionId, prompt: 'Back.' });
      const end = await client.waitFor(
        ({ type, data }) => type === 'streamComplete' && data.promptId === accepted.data.promptId,
      );
      expect(end.data).toMatchObject({ finalResult: 'Back.' });
    });
  });

  test('a session that is opened again while its child is still ending gets another', async () => {
    const client = await world.connect();
    const workingDirectory = world.daemon.project();
    const { sessionId } = (await client.request('streamStart', { prompt: '', workingDirectory })).data;
    await client.waitFor(
      ({ type, data }) => type === 'sessionStatus' && data.sessionId === sessionId && data.status === 'idle',
    );
    const pids = world.daemon.sessionProcesses(sessionId);
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    await client.request('streamClose', { sessionId, reason: 'and again' });
    const from = client.frames.length;
    await client.request('streamStart', { prompt: '', workingDirectory });
    for (const pid of pids) process.kill(pid, 'SIGCONT');
    await client.waitFor(
      ({ type, data }) => type === 'sessionStatus' && data.sessionId === sessionId && data.status === 'idle',
      from,
    );
    const next = world.daemon.sessionProcesses(sessionId);
    expect(next).toHaveLength(1);
    expect(pids).not.toContain(next[0]);
  });
});
