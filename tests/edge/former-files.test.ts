/** A hard link to a file of the home outlives the file: it is replaced, rotated or removed there, and the link stays. */
import { chmodSync, existsSync, linkSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { SessionView } from '../../protocol/rest.js';
import { type Daemon, startDaemon } from '../support/daemon.js';
import { pairDevice } from '../support/identity-world.js';

let daemon: Daemon;
let session: SessionView;

beforeAll(async () => {
  // No session here has a turn: its child need not be the real CLI.
  const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');
  daemon = await startDaemon({ apiUrl: 'http://127.0.0.1:1', environment: { CLAUDE_PATH } });
  const body = JSON.stringify({ workingDirectory: daemon.project() });
  const headers = { 'content-type': 'application/json' };
  session = (await (await daemon.fetch('/api/sessions', { method: 'POST', body, headers })).json()) as SessionView;
});
afterAll(() => daemon.stop());

const inHome = (name: string) => join(daemon.home, name);
const link = (name: string, as: string) => linkSync(inHome(name), join(session.workingDirectory, as));

async function expectRefused(as: string): Promise<void> {
  expect([as, statSync(join(session.workingDirectory, as)).nlink]).toEqual([as, 1]);
  const reply = await daemon.fetch(`/api/sessions/${session.id}/files/${as}`);
  const { error } = (await reply.json()) as { error: { code: string } };
  expect([as, reply.status, error.code]).toEqual([as, 403, 'PERMISSION_DENIED']);
}

/** Replaces the registry: the former file keeps only its other names. */
const replaceRegistry = () => pairDevice(daemon);

test('S2: a link to the registry is refused after the registry was rewritten, and so is each earlier one', async () => {
  for (const as of ['first', 'second']) {
    link('registry.json', as);
    await replaceRegistry();
    await expectRefused(as);
  }
  expect(readFileSync(join(session.workingDirectory, 'first'), 'utf8')).toContain('owner@localhost');
});

test('S2: a link to keys, logs, journal or output of a CLI is refused after the file was removed', async () => {
  const names = ['keys.json', 'logs/companion.log', 'logs/audit.log', 'journal.db', 'journal.db-wal', 'journal.mark'];
  for (const [index, name] of names.entries()) link(name, `removed-${index}`);
  await daemon.kill('SIGTERM');
  for (const name of names) rmSync(inHome(name), { force: true });
  await daemon.start();
  // The session went with the journal.
  const body = JSON.stringify({ workingDirectory: session.workingDirectory });
  const headers = { 'content-type': 'application/json' };
  session = (await (await daemon.fetch('/api/sessions', { method: 'POST', body, headers })).json()) as SessionView;
  for (const index of names.keys()) await expectRefused(`removed-${index}`);
});

test('S2: files that an earlier version has left without the mark get it at the start', async () => {
  await daemon.kill('SIGTERM');
  for (const name of readdirSync(daemon.home)) if (statSync(inHome(name)).isFile()) chmodSync(inHome(name), 0o600);
  link('registry.json', 'of-old');
  link('keys.json', 'keys-of-old');
  await daemon.start();
  await replaceRegistry();
  renameSync(inHome('keys.json'), join(session.workingDirectory, 'moved'));
  rmSync(join(session.workingDirectory, 'moved'));
  await expectRefused('of-old');
  await expectRefused('keys-of-old');
});

test('a file that replaces such a link by the file API is a file like any other', async () => {
  link('registry.json', 'replaced');
  const path = `/api/sessions/${session.id}/files/replaced`;
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ content: 'mine' });
  expect((await daemon.fetch(path, { method: 'PUT', body, headers })).status).toBe(200);
  expect(await (await daemon.fetch(path)).json()).toMatchObject({ content: 'mine' });
  expect(existsSync(inHome('registry.json'))).toBe(true);
});
