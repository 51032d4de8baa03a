/** The CLI's data of each person is separate. */
import { randomUUID } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { CHEAP_PASSWORDS } from '../support/cheap-passwords.js';
import { addUser, askLocally, askOver, bearerOf, pairDevice } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { connect, type WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld({ environment: CHEAP_PASSWORDS });
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

const remove = (email: string) => askLocally(world.daemon, 'DELETE', `/local/users/${encodeURIComponent(email)}`);

test('S1: a setting that a member with every scope changes by a command affects neither the owner nor another member, whose folder is removed before the answer when they have no session', async () => {
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
  expect(existsSync(folderOf(id))).toBe(true);
  expect(existsSync(join(folderOf(id), 'settings.json'))).toBe(false);
  bob.terminate();
  expect(await remove('bob@example.org')).toEqual({ success: true, sessions: 0 });
  expect(existsSync(folderOf(id))).toBe(false);
});

test("S1: the owner's permission rules apply only to the owner's CLIs", async () => {
  mkdirSync(dirname(ownersSettings()), { recursive: true });
  writeFileSync(ownersSettings(), JSON.stringify(RULES));
  const owner = await world.connect();
  const theirs = world.daemon.project('owners');
  const { data } = await owner.request('streamStart', { prompt: touch('unasked'), workingDirectory: theirs });
  await owner.waitFor((frame) => frame.type === 'streamComplete' && frame.sessionId === data.sessionId);
  expect(existsSync(join(theirs, 'unasked'))).toBe(true);
  const hers = world.daemon.project('anns');
  const started = await ann.request('streamStart', { prompt: touch('unasked'), workingDirectory: hers });
  await ann.waitFor((frame) => frame.type === 'permissionRequest' && frame.sessionId === started.data.sessionId);
  expect(existsSync(join(hers, 'unasked'))).toBe(false);
  await ann.request('interrupt', { sessionId: started.data.sessionId as never });
  await ann.waitFor((frame) => frame.type === 'streamComplete' && frame.data.promptId === started.data.promptId);
});

test('a conversation of a member continues after the daemon and its CLI were killed', async () => {
  const workingDirectory = world.daemon.project('anns');
  const { data } = await ann.request('streamStart', { prompt: 'Remember 42.', workingDirectory });
  const end = await ann.waitFor((frame) => frame.type === 'streamComplete' && frame.data.promptId === data.promptId);
  expect(end.data.isError).toBe(false);
  const projects = readdirSync(join(folderOf(annId), 'projects'));
  expect(projects.some((name) => name.endsWith('anns'))).toBe(true);
  for (const pid of world.daemon.sessionProcesses(data.sessionId)) process.kill(pid, 'SIGKILL');
  const next = await ann.request('streamSend', {
    sessionId: data.sessionId as never,
    prompt: scenario({ text: 'Yes.' }),
  });
  await ann.waitFor((frame) => frame.type === 'streamComplete' && frame.data.promptId === next.data.promptId);
  expect(JSON.stringify(world.api.requests.at(-1)?.messages)).toContain('Remember 42.');
});

test("members use the owner's login through a link, which the file API does not follow", async () => {
  const link = join(folderOf(annId), '.credentials.json');
  expect(readlinkSync(link)).toBe(join(world.daemon.environment.HOME ?? '', '.claude/.credentials.json'));
});

test('S2: the folders of the CLI for people cannot be working directories', async () => {
  const body = { workingDirectory: folderOf(annId) };
  const token = world.daemon.environment.AUTH_TOKEN ?? '';
  expect((await askOver(world.daemon, 'POST', '/api/sessions', { token, body })).status).toBe(403);
});

describe('the folder of a person who is removed', () => {
  const joined = async (email: string) => {
    const { id } = await addUser(world.daemon, email);
    const { accessToken } = await pairDevice(world.daemon, { user: email, scopes: ALL });
    return { id, client: await connect(world.daemon, bearerOf(accessToken)) };
  };
  const ownersFiles = () => readdirSync(join(world.daemon.environment.HOME ?? '', '.claude')).sort();

  test("S1: is removed when their CLI and its processes have ended; the linked login, the owner's files and other people's folders stay", async () => {
    const { id, client } = await joined('cyd@example.org');
    const login = join(world.daemon.environment.HOME ?? '', '.claude/.credentials.json');
    writeFileSync(login, '{}');
    const before = ownersFiles();
    const workingDirectory = world.daemon.project('cyds');
    const { data } = await client.request('streamStart', { prompt: touch('asked'), workingDirectory });
    await client.waitFor('permissionRequest');
    expect(readdirSync(folderOf(id))).toEqual(expect.arrayContaining(['.credentials.json', 'projects']));
    expect(await remove('cyd@example.org')).toEqual({ success: true, sessions: 1 });
    await waitUntil('the folder is gone', () => !existsSync(folderOf(id)));
    expect(world.daemon.sessionProcesses(data.sessionId)).toEqual([]);
    expect(readFileSync(login, 'utf8')).toBe('{}');
    // The owner's own CLI may have added some meanwhile.
    expect(ownersFiles()).toEqual(expect.arrayContaining(before));
    expect(readdirSync(join(folderOf(annId), 'projects'))).not.toEqual([]);
  });

  test('that was left over is removed at the next start; other folders stay', async () => {
    const [left, notes] = [folderOf(randomUUID()), folderOf('notes')];
    for (const folder of [left, notes]) mkdirSync(join(folder, 'projects'), { recursive: true });
    await world.daemon.restart('SIGKILL');
    await waitUntil('the folder is gone', () => !existsSync(left));
    expect(existsSync(notes)).toBe(true);
    expect(readdirSync(join(folderOf(annId), 'projects'))).not.toEqual([]);
  });
});
