/** What the CLI keeps for one person is not what it keeps for another. */
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, expect, test } from '@jest/globals';
import { addUser, askOver, bearerOf, pairDevice } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { connect, type WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
const ALL = ['read', 'prompt', 'approve', 'files', 'admin'];

let ann: WireClient;
let annId = '';

const ownersSettings = () => join(world.daemon.environment.HOME ?? '', '.claude/settings.json');
const folderOf = (person: string) => join(`${world.daemon.home}-people`, person);
const RULES = { permissions: { allow: ['Bash(touch *)'] } };

beforeAll(async () => {
  ({ id: annId } = await addUser(world.daemon, 'ann@example.org'));
  const { accessToken } = await pairDevice(world.daemon, { user: 'ann@example.org', scopes: ALL });
  ann = await connect(world.daemon, bearerOf(accessToken));
});

const touch = (name: string) =>
  scenario({ tools: [{ name: 'Bash', input: { command: `touch ${name}`, description: 'x' } }] });

test('S1: what a member with every scope sets by a command reaches neither the owner nor another member', async () => {
  const directory = world.daemon.project('anns');
  const set = await ann.request('claudeCommand', {
    command: '/config permissionMode=acceptEdits',
    projectPath: directory,
  });
  expect(set.data).toMatchObject({ success: true });
  expect(existsSync(ownersSettings())).toBe(false);
  expect(JSON.parse(readFileSync(join(folderOf(annId), 'settings.json'), 'utf8'))).toMatchObject({
    permissions: { defaultMode: 'acceptEdits' },
  });
  expect(lstatSync(folderOf(annId)).mode & 0o777).toBe(0o700);
  const { id } = await addUser(world.daemon, 'bob@example.org');
  const { accessToken } = await pairDevice(world.daemon, { user: 'bob@example.org' });
  const bob = await connect(world.daemon, bearerOf(accessToken));
  await bob.request('ask', { prompt: 'Hello?' });
  expect(existsSync(join(folderOf(id), 'settings.json'))).toBe(false);
  bob.terminate();
});

test("S1: the owner's rules are for the owner's CLIs alone", async () => {
  mkdirSync(dirname(ownersSettings()), { recursive: true });
  writeFileSync(ownersSettings(), JSON.stringify(RULES));
  const owner = await world.connect();
  const theirs = world.daemon.project('owners');
  const { data } = await owner.request('streamStart', { prompt: touch('unasked'), workingDirectory: theirs });
  await owner.waitFor((frame) => frame.type === 'streamComplete' && frame.sessionId === data.sessionId);
  expect(existsSync(join(theirs, 'unasked'))).toBe(true);
  const hers = world.daemon.project('anns-next');
  const started = await ann.request('streamStart', { prompt: touch('unasked'), workingDirectory: hers });
  await ann.waitFor((frame) => frame.type === 'permissionRequest' && frame.sessionId === started.data.sessionId);
  expect(existsSync(join(hers, 'unasked'))).toBe(false);
  await ann.request('streamClose', { sessionId: started.data.sessionId as never, reason: 'done' });
});

test('a conversation of a member goes on after the daemon and its CLI were killed', async () => {
  const workingDirectory = world.daemon.project('anns-long');
  const { data } = await ann.request('streamStart', { prompt: 'Remember 42.', workingDirectory });
  const end = await ann.waitFor((frame) => frame.type === 'streamComplete' && frame.sessionId === data.sessionId);
  expect(end.data.isError).toBe(false);
  const projects = readdirSync(join(folderOf(annId), 'projects'));
  expect(projects.some((name) => name.endsWith('anns-long'))).toBe(true);
  for (const pid of world.daemon.sessionProcesses(data.sessionId)) process.kill(pid, 'SIGKILL');
  const next = await ann.request('streamSend', {
    sessionId: data.sessionId as never,
    prompt: scenario({ text: 'Yes.' }),
  });
  await ann.waitFor((frame) => frame.type === 'streamComplete' && frame.data.promptId === next.data.promptId);
  expect(JSON.stringify(world.api.requests.at(-1)?.messages)).toContain('Remember 42.');
});

test("the login is the owner's: it is linked, and the file API leads nobody there", async () => {
  const link = join(folderOf(annId), '.credentials.json');
  expect(readlinkSync(link)).toBe(join(world.daemon.environment.HOME ?? '', '.claude/.credentials.json'));
});

test('S2: what the CLI keeps for people is no working directory', async () => {
  const body = { workingDirectory: folderOf(annId) };
  const token = world.daemon.environment.AUTH_TOKEN ?? '';
  expect((await askOver(world.daemon, 'POST', '/api/sessions', { token, body })).status).toBe(403);
});
