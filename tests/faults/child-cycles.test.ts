/** Many children that come and go, by each way of going, leave nothing. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { isAlive, waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';
import { countOf } from './counts.js';

const CYCLES = countOf({ fast: 10, full: 200 });
const world = useWorld();

const descriptors = (): number => readdirSync(`/proc/${world.daemon.pid}/fd`).length;

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

test(`H3: ${CYCLES} times a child is started and killed, closed, or stopped and killed: nothing is left`, async () => {
  const client = await world.connect();
  const workingDirectory = world.daemon.project();
  const run = join(world.daemon.home, 'run');
  const cycle = async (round: number) => {
    const { data } = await client.request('streamStart', { prompt: scenario({ text: 'Hi.' }), workingDirectory });
    const { sessionId, promptId } = data;
    await client.waitFor((frame) => frame.type === 'streamComplete' && frame.data.promptId === promptId);
    const { pid } = (await (await world.daemon.fetch(`/api/sessions/${sessionId}`)).json()) as { pid: number };
    const way = round % 3;
    if (way === 2) process.kill(pid, 'SIGSTOP');
    if (way === 1) await world.daemon.fetch(`/api/sessions/${sessionId}`, { method: 'DELETE' });
    else process.kill(pid, 'SIGKILL');
    await waitUntil('the child and its folder are gone', () => !isAlive(pid) && !existsSync(join(run, sessionId)));
    expect(world.daemon.sessionProcesses(sessionId)).toEqual([]);
  };
  await cycle(0);
  const before = descriptors();
  for (let round = 1; round <= CYCLES; round += 1) await cycle(round);
  expect(readdirSync(run)).toEqual([]);
  await waitUntil('no descriptor is left open', () => descriptors() <= before);
  expect(zombies()).toBe(0);
});
