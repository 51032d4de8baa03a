/** A bug of the daemon's own: nobody knows what state it is in, so it ends, and its children do not. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { isAlive, waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

const BUGS = `
delete process.env.NODE_OPTIONS;
process.on('SIGUSR2', () => void Promise.reject(new Error('a bug of its own')));
process.on('SIGWINCH', () => setImmediate(() => { throw new Error('another bug'); }));
`;

const world = useWorld({
  environment: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(BUGS)}` },
});

test.each<[string, NodeJS.Signals, string]>([
  ['an unhandled rejection', 'SIGUSR2', 'a bug of its own'],
  ['an uncaught exception', 'SIGWINCH', 'another bug'],
])('H2: %s is logged and ends the daemon with 70, and its children go on', async (_what, signal, said) => {
  const client = await world.connect();
  const started = await client.request('streamStart', {
    prompt: scenario({ text: 'Hello.' }),
    workingDirectory: world.daemon.project(),
  });
  const { sessionId, promptId } = started.data;
  await client.waitFor((frame) => frame.type === 'streamComplete' && frame.data.promptId === promptId);
  const children = world.daemon.sessionProcesses(sessionId);
  expect(children).not.toEqual([]);
  const { pid } = world.daemon;
  process.kill(pid, signal);
  await waitUntil('it ends', () => !isAlive(pid));
  expect(await world.daemon.kill('SIGTERM')).toBe(70);
  expect(readFileSync(join(world.daemon.home, 'logs/companion.log'), 'utf8')).toContain(said);
  expect(world.daemon.sessionProcesses(sessionId)).toEqual(children);
  await world.daemon.start();
  expect(world.daemon.sessionProcesses(sessionId)).toEqual(children);
});
