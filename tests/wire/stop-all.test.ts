/** `stop --all` while some work and others wait for a place. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { expect, test } from '@jest/globals';
import { childrenOf, MAIN } from '../support/daemon.js';
import { scenario } from '../support/scripted-api.js';
import { isAlive, waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

const world = useWorld({ environment: { MAX_PROCESSES: '2' } });

test('H3: who waits in the line gets no child from those that are ended', async () => {
  const client = await world.connect();
  const open = async () => {
    const prompt = scenario({ text: 'Never.', gate: 'never' });
    const { data } = await client.request('streamStart', { prompt, workingDirectory: world.daemon.project() });
    return String(data.sessionId);
  };
  const [hung] = [await open(), await open()];
  await client.waitFor(({ type, data }) => type === 'systemInit' && data.sessionId === hung);
  const [pid = 0] = world.daemon.sessionProcesses(hung);
  process.kill(pid, 'SIGSTOP');
  await open();
  await client.waitFor(({ type, data }) => type === 'progress' && data.stage === 'queued');
  const daemonPid = world.daemon.pid;
  const cli = join(dirname(MAIN), '../cli/main.js');
  const env = { ...world.daemon.environment };
  await once(spawn(process.execPath, [cli, 'stop', '--all'], { env, stdio: 'ignore' }), 'exit');
  await waitUntil('the daemon has ended', () => !isAlive(daemonPid));
  expect(childrenOf(world.daemon.home)).toEqual([]);
}, 40_000);
