/** "Always" says what it does, and can be taken back. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { type RememberedList, rememberedListSchema } from '../../protocol/rest.js';
import { rewriteRecord } from '../support/rewrite-record.js';
import { scenario } from '../support/scripted-api.js';
import { useSharedSession } from '../support/shared-session.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
/** Each test leaves it with nothing remembered. */
const open = useSharedSession(world);

const bash = (command: string) => ({ name: 'Bash', input: { command, description: 'x' } });
const write = (file_path: string) => ({ name: 'Write', input: { file_path, content: 'x' } });
type Tool = { name: string; input: object };

interface Turn {
  client: WireClient;
  workingDirectory: string;
  tools: Tool[];
  options?: object;
  answer?: (request: Frame, sessionId: string) => string | Promise<string>;
}

/**
 * Runs a turn of these tools. Each request is answered as `answer` says, else denied. Gives the session and the requests,
 * oldest first.
 */
async function run({ client, workingDirectory, tools, options = {}, answer = () => 'n' }: Turn) {
  const from = client.frames.length;
  const prompt = scenario(...tools.map((tool) => ({ tools: [tool] })), { text: 'Done.' });
  const { sessionId } = (await client.request('streamStart', { prompt, workingDirectory, options })).data;
  const requests: Frame[] = [];
  for (;;) {
    const next = await client.waitFor(
      (frame) => frame.type === 'streamComplete' || (frame.type === 'permissionRequest' && !requests.includes(frame)),
      from,
    );
    if (next.type === 'streamComplete') return { sessionId, requests };
    requests.push(next);
    const response = await answer(next, sessionId);
    const { permissionId } = next.data;
    const answered = await client.request('permission', { sessionId, permissionId, response, remember: false });
    expect(answered.type).toBe('permissionAccepted');
  }
}

async function remembered(sessionId: string): Promise<RememberedList> {
  const response = await world.daemon.fetch(`/api/sessions/${sessionId}/remembered`);
  return rememberedListSchema.parse(await response.json());
}

const takeBack = (sessionId: string, id?: string) =>
  world.daemon.fetch(`/api/sessions/${sessionId}/remembered${id === undefined ? '' : `/${id}`}`, { method: 'DELETE' });

const commandOf = ({ data }: Frame) => (data.toolInput as { command?: string }).command;

test('an edit that is allowed for ever says that the mode changes, shows it, and is taken back in the middle of the turn', async () => {
  const client = await world.connect();
  const { directory: workingDirectory } = await open(client);
  const { sessionId, requests } = await run({
    client,
    workingDirectory,
    tools: [write(join(workingDirectory, 'a')), bash('mkdir unasked'), bash('cargo build x'), bash('mkdir asked')],
    answer: async (request, id) => {
      if (request.data.toolName === 'Write') return 'always';
      if (commandOf(request) !== 'cargo build x') return 'n';
      const list = await remembered(id);
      expect(list).toMatchObject({
        permissionMode: 'acceptEdits',
        remembered: [{ toolName: 'Write', mode: 'acceptEdits' }],
      });
      const taken = await takeBack(id, list.remembered[0]?.id);
      expect(await taken.json()).toEqual({ success: true, removed: 1, remembered: [], permissionMode: 'default' });
      expect((await takeBack(id, list.remembered[0]?.id)).status).toBe(404);
      return 'n';
    },
  });
  expect(requests.map(commandOf)).toEqual([undefined, 'cargo build x', 'mkdir asked']);
  expect(requests[0]?.data).toMatchObject({
    options: ['allow', 'deny', 'always'],
    remember: { mode: 'acceptEdits', rules: [], scope: 'session', text: expect.stringContaining('acceptEdits') },
  });
  const resolved = await client.waitFor('permissionResolved');
  expect(resolved.data.remembered).toEqual(requests[0]?.data.remember);
  const statuses = client.events(sessionId).filter(({ type }) => type === 'sessionStatus');
  const modes = statuses.map(({ data }) => data.permissionMode);
  expect(modes.filter((mode, index) => mode !== undefined && mode !== modes[index - 1])).toEqual([
    'default',
    'acceptEdits',
    'default',
  ]);
  expect([existsSync(join(workingDirectory, 'unasked')), existsSync(join(workingDirectory, 'asked'))]).toEqual([
    true,
    false,
  ]);
});

test('a command that is allowed for ever is allowed in this session, and written nowhere; it holds with the next daemon and the next CLI, and what an older daemon remembered is listed, and taken back from the settings that the CLI wrote; all is taken back at once, and the CLI that was granted it makes room', async () => {
  const client = await world.connect();
  const { directory: workingDirectory } = await open(client);
  const builds = [bash('cargo build one'), bash('cargo build two')];
  const { sessionId, requests } = await run({ client, workingDirectory, tools: builds, answer: () => 'always' });
  expect(requests.map(commandOf)).toEqual(['cargo build one']);
  expect(requests[0]?.data.remember).toMatchObject({
    rules: ['Bash(cargo build *)'],
    scope: 'session',
    text: 'Claude may without asking: run cargo build *. Holds in this session, across restarts, until it is taken back or a new conversation begins.',
  });
  expect(existsSync(join(workingDirectory, '.claude'))).toBe(false);
  const older = world.daemon.project();
  const old = (await client.request('streamStart', { prompt: '', workingDirectory: older })).data;
  await world.daemon.kill('SIGKILL');
  const settings = rememberAsBefore(old.sessionId, older);
  await world.daemon.start();
  const list = await remembered(old.sessionId);
  expect(list.remembered).toMatchObject([{ rules: ['Bash(cargo build *)'], scope: 'session' }]);
  expect((await takeBack(old.sessionId, list.remembered[0]?.id)).status).toBe(200);
  const inFile = () => JSON.parse(readFileSync(settings, 'utf8')) as object;
  await world.daemon.until(() => !JSON.stringify(inFile()).includes('cargo'));
  expect(inFile()).toEqual({ permissions: { allow: ['WebSearch'], deny: ['x'] }, y: 1 });
  const { pid } = (await (await world.daemon.fetch(`/api/sessions/${sessionId}`)).json()) as { pid: number };
  process.kill(pid, 'SIGKILL');
  await world.daemon.until(() => world.daemon.sessionProcesses(sessionId).length === 0);
  const back = await world.connect();
  const { requests: later } = await run({
    client: back,
    workingDirectory,
    tools: [bash('cargo build one'), bash('touch b.txt'), bash('git push'), bash('cargo build two')],
    answer: async (request, id) => {
      if (commandOf(request) !== 'git push') return commandOf(request) === 'cargo build two' ? 'n' : 'always';
      expect((await remembered(id)).remembered).toMatchObject([
        { rules: ['Bash(cargo build *)'] },
        { rules: ['Bash(touch b.txt)'], mode: 'acceptEdits' },
      ]);
      expect(await (await takeBack(id)).json()).toMatchObject({
        removed: 2,
        remembered: [],
        permissionMode: 'default',
      });
      return 'n';
    },
  });
  expect(later.map(commandOf)).toEqual(['touch b.txt', 'git push', 'cargo build two']);
  expect(later.at(-1)?.data.options).toEqual(['allow', 'deny']);
  await back.waitFor(
    ({ type, data }) => type === 'sessionStatus' && data.sessionId === sessionId && data.status === 'hibernated',
  );
});

/** An older daemon let the CLI write what it remembered into the settings of the directory. Gives their path. */
function rememberAsBefore(sessionId: string, directory: string): string {
  const rules = [{ toolName: 'Bash', ruleContent: 'cargo build *' }];
  const update = { type: 'addRules', rules, behavior: 'allow', destination: 'localSettings' };
  rewriteRecord(world.daemon.home, sessionId, (record) => ({ ...record, remembered: [update] as never }));
  const settings = join(directory, '.claude/settings.local.json');
  mkdirSync(join(directory, '.claude'));
  const permissions = { allow: ['Bash(cargo build *)', 'WebSearch'], deny: ['x'] };
  writeFileSync(settings, JSON.stringify({ permissions, y: 1 }));
  return settings;
}

test('a folder with an odd name that is taken back is asked for again by the same CLI', async () => {
  const client = await world.connect();
  const { directory: workingDirectory } = await open(client);
  const folder = join(world.daemon.project(), 'we[ir]d (a) {b} *');
  mkdirSync(folder);
  for (const name of ['two', 'three']) writeFileSync(join(folder, name), name);
  const read = (name: string) => ({ name: 'Read', input: { file_path: join(folder, name) } });
  const { requests } = await run({
    client,
    workingDirectory,
    tools: [write(join(folder, 'new')), read('two'), bash('git push'), read('three')],
    answer: async (request, id) => {
      if (request.data.toolName === 'Write') return 'always';
      if (request.data.toolName === 'Bash') await takeBack(id);
      return 'n';
    },
  });
  expect(requests.map(({ data }) => data.toolName)).toEqual(['Write', 'Bash', 'Read']);
});

test('a new conversation keeps what is remembered when it is told to, and else begins without', async () => {
  const client = await world.connect();
  const { directory: workingDirectory } = await open(client);
  const first = [write(join(workingDirectory, 'kept'))];
  const { sessionId } = await run({ client, workingDirectory, tools: first, answer: () => 'always' });
  const anew = { client, workingDirectory, tools: [bash('mkdir made')] };
  const kept = await run({ ...anew, options: { preserveContext: false, keepRemembered: true } });
  expect(kept.requests).toEqual([]);
  expect(await remembered(sessionId)).toMatchObject({
    permissionMode: 'acceptEdits',
    remembered: [{ toolName: 'Write' }],
  });
  const without = await run({ ...anew, options: { preserveContext: false } });
  expect(without.requests.map(commandOf)).toEqual(['mkdir made']);
  expect(await remembered(sessionId)).toEqual({ remembered: [], permissionMode: 'default' });
});
