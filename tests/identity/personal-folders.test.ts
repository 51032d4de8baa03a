/** What the CLI keeps for one person is not what it keeps for another. */
import { randomUUID } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { addUser, askLocally, askOver, bearerOf, pairDevice } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
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

describe('the folder of a person who is removed', () => {
  const joined = async (email: string) => {
    const { id } = await addUser(world.daemon, email);
    const { accessToken } = await pairDevice(world.daemon, { user: email, scopes: ALL });
    return { id, client: await connect(world.daemon, bearerOf(accessToken)) };
  };
  const remove = (email: string) => askLocally(world.daemon, 'DELETE', `/local/users/${encodeURIComponent(email)}`);
  const ownersFiles = () => readdirSync(join(world.daemon.environment.HOME ?? '', '.claude')).sort();

  test("S1: goes when their CLI and all that it started are gone; the login that it links, the owner's files and other people's folders stay", async () => {
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

  test('is gone with the answer where they have no session', async () => {
    const { id, client } = await joined('dan@example.org');
    await client.request('ask', { prompt: 'Hello?' });
    expect(existsSync(folderOf(id))).toBe(true);
    expect(await remove('dan@example.org')).toEqual({ success: true, sessions: 0 });
    expect(existsSync(folderOf(id))).toBe(false);
  });

  test('that is still there goes at the next start, and what is not a folder of the daemon stays', async () => {
    const [left, notes] = [folderOf(randomUUID()), folderOf('notes')];
    for (const folder of [left, notes]) mkdirSync(join(folder, 'projects'), { recursive: true });
    await world.daemon.restart('SIGKILL');
    await waitUntil('the folder is gone', () => !existsSync(left));
    expect(existsSync(notes)).toBe(true);
    expect(readdirSync(join(folderOf(annId), 'projects'))).not.toEqual([]);
  });
});
