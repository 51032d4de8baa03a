/** Reads that fail say nothing of what was to be read: no daemon goes on as if nothing were there. */
import { chmodSync, linkSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { TOKEN } from '../support/daemon.js';
import { askOver, pairDevice } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import type { DiskFault } from './support/disk-faults.js';
import { endOf, useFailingWorld } from './support/failing-world.js';

const { world, faults } = useFailingWorld();

const logged = (): string => readFileSync(join(world.daemon.home, 'logs/companion.log'), 'utf8');
const scarce = (call: DiskFault['call'], match: string): DiskFault => ({ call, match, code: 'EMFILE' });

test('H1, H2: a child whose record cannot be read for want of a descriptor is taken up when there is one', async () => {
  const before = await world.connect({ deviceId: 'stays' });
  const prompt = scenario({ text: 'Still the same.', gateAfter: { deltas: 1, gate: 'record' } });
  const started = await before.request('streamStart', { prompt, workingDirectory: world.daemon.project() });
  const { sessionId, promptId } = started.data;
  await world.api.reached('record');
  const children = world.daemon.sessionProcesses(sessionId);
  faults.set(scarce('readFile', 'process.json'));
  await world.daemon.restart('SIGKILL');
  await waitUntil('it was tried', () => logged().includes('the session cannot adopt a child'));
  faults.set();
  const client = await world.connect({ deviceId: 'stays' });
  world.api.release('record');
  const end = await client.waitFor(endOf(promptId));
  expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'Still the same.' });
  expect(world.daemon.sessionProcesses(sessionId)).toEqual(children);
  expect(world.api.runs(prompt)).toBe(1);
});

/** A session, and what asks for its files with the scope `files` and without `approve`. */
async function openFiles(directory: string) {
  const { accessToken } = await pairDevice(world.daemon, { scopes: ['read', 'prompt', 'files'] });
  const body = { workingDirectory: directory };
  const { body: view } = await askOver<{ id: string }>(world.daemon, 'POST', '/api/sessions', { token: TOKEN, body });
  return (method: string, path: string) =>
    askOver(world.daemon, method, `/api/sessions/${view.id}/files/${path}`, {
      token: accessToken,
      ...(method === 'PUT' && { body: { content: 'x' } }),
    });
}

const CAPACITY = { body: { error: { code: 'CAPACITY' } } };

test('S2: a hard link to what is kept from clients is refused, also while it cannot be looked for', async () => {
  const directory = world.daemon.project('hard-link');
  linkSync(join(world.daemon.home, 'keys.json'), join(directory, 'notes.json'));
  const over = await openFiles(directory);
  expect(await over('GET', 'notes.json')).toMatchObject({ status: 403 });
  faults.set(scarce('readdir', world.daemon.home));
  expect(await over('GET', 'notes.json')).toMatchObject({ status: 403 });
  // As daemons before wrote it: then its home is looked through.
  chmodSync(join(world.daemon.home, 'keys.json'), 0o600);
  expect(await over('GET', 'notes.json')).toMatchObject(CAPACITY);
  faults.set();
  expect(await over('GET', 'notes.json')).toMatchObject({ status: 403 });
});

test('S2: what is obeyed by the name of a link is refused, also while links cannot be looked for', async () => {
  const directory = world.daemon.project('obeyed-link');
  mkdirSync(join(directory, 'conf'));
  symlinkSync('conf', join(directory, '.claude'));
  const over = await openFiles(directory);
  faults.set(scarce('readdir', directory));
  expect(await over('PUT', 'conf/settings.json')).toMatchObject(CAPACITY);
  faults.set();
  expect(await over('PUT', 'conf/settings.json')).toMatchObject({ status: 403 });
});
