/** Many children that come and go, by each way of going, leave nothing. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { countOf } from '../support/counts.js';
import { descriptorsOf } from '../support/descriptors.js';
import { scenario } from '../support/scripted-api.js';
import { isAlive, waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

const CYCLES = countOf({ fast: 2, full: 67 });
const world = useWorld();

/** What comes and goes by itself: the journal and its index, connections, and the loops of the threads that serve them. */
const OF_ITS_OWN = /(journal|search)\.db|^socket:|^pipe:|^anon_inode:\[event/;

const descriptors = (): string[] => descriptorsOf(world.daemon.pid).filter((path) => !OF_ITS_OWN.test(path));

/** The paths without one of this one. */
function without(path: string, paths: readonly string[]): string[] {
  const at = paths.indexOf(path);
  return at < 0 ? [...paths] : paths.toSpliced(at, 1);
}

/** Children of the daemon that have ended and were not taken note of. */
const zombies = (): number =>
  readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isZombieOf(name, world.daemon.pid)).length;

function isZombieOf(pid: string, parent: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith(`Z ${parent} `);
  } catch {
    return false;
  }
}

test(`H3: ${3 * CYCLES} times a child is started and killed, closed, or stopped and killed: nothing is left`, async () => {
  const client = await world.connect();
  const run = join(world.daemon.home, 'run');
  const cycle = async (workingDirectory: string, way: 'kill' | 'close' | 'stop and kill') => {
    const { data } = await client.request('streamStart', { prompt: scenario({ text: 'Hi.' }), workingDirectory });
    const { sessionId, promptId } = data;
    await client.waitFor((frame) => frame.type === 'streamComplete' && frame.data.promptId === promptId);
    const { pid } = (await (await world.daemon.fetch(`/api/sessions/${sessionId}`)).json()) as { pid: number };
    if (way === 'stop and kill') process.kill(pid, 'SIGSTOP');
    if (way === 'close') await world.daemon.fetch(`/api/sessions/${sessionId}`, { method: 'DELETE' });
    else process.kill(pid, 'SIGKILL');
    await waitUntil('the child and its folder are gone', () => !isAlive(pid) && !existsSync(join(run, sessionId)));
    expect(world.daemon.sessionProcesses(sessionId)).toEqual([]);
  };
  await cycle(world.daemon.project(), 'close');
  const before = descriptors();
  const cycles = async (way: 'kill' | 'close' | 'stop and kill') => {
    const directory = world.daemon.project();
    for (let round = 0; round < CYCLES; round += 1) await cycle(directory, way);
  };
  await Promise.all([cycles('kill'), cycles('close'), cycles('stop and kill')]);
  expect(readdirSync(run)).toEqual([]);
  // A thread may still be reading the last one's transcript.
  const left = () => before.reduce((paths, path) => without(path, paths), descriptors());
  await waitUntil('no descriptor is left', () => left().length === 0).catch(() => expect(left()).toEqual([]));
  await waitUntil('no zombie is left', () => zombies() === 0);
});
