/** `stop --all` while some work and others wait for a place. What holds them makes no difference: they are the stand-in, and it never answers. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { expect, test } from '@jest/globals';
import { childrenOf, MAIN } from '../support/daemon.js';
import { isAlive, waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');
const world = useWorld({ environment: { MAX_PROCESSES: '2', CLAUDE_PATH } });

test('H3: a waiting session does not get the slot of a child that is ended', async () => {
  const client = await world.connect();
  const open = async () => {
    const { data } = await client.request('streamStart', { prompt: '[]', workingDirectory: world.daemon.project() });
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
