/** Settings that a person chooses for a session: how much Claude thinks, and where it works. */
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { ANSWERS } from '../../protocol/server-frames.js';
import { scenario } from '../support/scripted-api.js';
import { useSharedSession } from '../support/shared-session.js';
import { waitUntil } from '../support/wait-until.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
const openShared = useSharedSession(world);

/** What a call of the API says of thinking. */
interface Thinking {
  thinking?: { type: string; budget_tokens?: number };
  output_config?: { effort?: string };
}
const lastCall = (): Thinking => (world.api.requests.at(-1) ?? {}) as Thinking;

/** The session that the tests share, with a model that has levels of effort. */
async function open(client: WireClient): Promise<string> {
  const { sessionId } = await openShared(client);
  await client.request('setModel', { sessionId, model: 'opus' });
  await client.request('setEffort', { sessionId, effort: 'default' });
  return sessionId;
}

/** Runs a turn, in which every request is denied. Gives the tools that were asked about. */
async function turn(client: WireClient, sessionId: string, ...tools: { name: string; input: object }[]) {
  const from = client.frames.length;
  const prompt = scenario(...tools.map((tool) => ({ tools: [tool] })), { text: 'Done.' });
  const { promptId } = (await client.request('streamSend', { sessionId, prompt })).data;
  const asked: Frame[] = [];
  for (;;) {
    const next = await client.waitFor(
      (frame) =>
        (frame.type === 'streamComplete' && frame.data.promptId === promptId) ||
        (frame.type === 'permissionRequest' && frame.data.sessionId === sessionId && !asked.includes(frame)),
      from,
    );
    if (next.type === 'streamComplete') return asked.map(({ data }) => data.toolName);
    asked.push(next);
    const { permissionId } = next.data;
    await client.request('permission', { sessionId, permissionId, response: 'n', remember: false });
  }
}

/** Runs a turn with this prompt. */
async function say(client: WireClient, sessionId: string, prompt: string): Promise<void> {
  const { promptId } = (await client.request('streamSend', { sessionId, prompt })).data;
  await client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);
}

async function viewOf(sessionId: string): Promise<Record<string, unknown>> {
  return (await (await world.daemon.fetch(`/api/sessions/${sessionId}`)).json()) as Record<string, unknown>;
}

/** Everything that is in the transcripts of the person. */
function transcripts(): string {
  const folder = join(dirname(world.daemon.home), 'home/.claude/projects');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return files
    .filter((name) => name.endsWith('.jsonl'))
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('');
}

/** 2.1.197 has fewer commands without a terminal. */
async function hasCommand(client: WireClient, sessionId: string, wanted: string): Promise<boolean> {
  const { data } = await client.request('sessionCapabilities', { sessionId });
  const { commands } = ANSWERS.sessionCapabilities.parse(data);
  return commands.some(({ name }) => name === wanted);
}

async function killChild(sessionId: string): Promise<void> {
  for (const pid of world.daemon.sessionProcesses(sessionId)) process.kill(pid, 'SIGKILL');
  await waitUntil('the child is gone', () => world.daemon.sessionProcesses(sessionId).length === 0);
}

/** A folder beside the projects, with a file. */
function otherDirectory(): { directory: string; file: string } {
  const directory = mkdtempSync(join(world.daemon.root, 'other-'));
  const file = join(directory, 'notes.md');
  writeFileSync(file, 'Notes.');
  return { directory, file };
}

const read = (file_path: string) => ({ name: 'Read', input: { file_path } });
const bash = (command: string) => ({ name: 'Bash', input: { command, description: 'x' } });

describe('setEffort and addDirectory', () => {
  test('take effect with the next turn, are told to every device, and survive restart and death', async () => {
    const client = await world.connect({ deviceId: 'phone' });
    const other = await world.connect({ deviceId: 'tablet' });
    await other.request('subscribe', { events: ['*'] });
    const sessionId = await open(client);
    const { directory, file } = otherDirectory();
    expect(await turn(client, sessionId, read(file))).toEqual(['Read']);
    const answered = await client.request('setEffort', { sessionId, effort: 'max' });
    expect(answered).toMatchObject({ type: 'setEffort', data: { sessionId, effort: 'max' } });
    await other.waitFor(({ type, data }) => type === 'sessionStatus' && data.effort === 'max');
    const added = await client.request('addDirectory', { sessionId, directory });
    expect(added).toMatchObject({ type: 'addDirectory', data: { sessionId, directory, directories: [directory] } });
    expect(await turn(client, sessionId, read(file))).toEqual([]);
    expect(lastCall().output_config?.effort).toBe('max');
    await killChild(sessionId);
    expect(await turn(client, sessionId, read(file))).toEqual([]);
    expect(lastCall().output_config?.effort).toBe('max');
    const twice = await client.request('addDirectory', { sessionId, directory });
    expect(twice.data.directories).toEqual([directory]);
    await world.daemon.restart('SIGKILL');
    const again = await world.connect({ deviceId: 'phone' });
    await turn(again, sessionId);
    expect(lastCall().output_config?.effort).toBe('max');
    const from = again.frames.length;
    await again.request('setEffort', { sessionId, effort: 'default' });
    await turn(again, sessionId);
    expect(lastCall().output_config?.effort).not.toBe('max');
    const status = await again.waitFor(
      ({ type, data }) => type === 'sessionStatus' && data.sessionId === sessionId && data.status === 'idle',
      from,
    );
    expect(status.data).not.toHaveProperty('effort');
  });

  test('refuse a level that the model lacks, a directory outside the roots, one in that of the session, and one that is not there; nothing changes', async () => {
    const client = await world.connect();
    const sessionId = await open(client);
    const refused = await client.request('setEffort', { sessionId, effort: 'enormous' });
    expect(refused.data).toMatchObject({
      code: 'INVALID_REQUEST',
      details: { field: 'effort', rule: expect.stringContaining('low or medium') },
    });
    const refusals: [string, string][] = [
      ['/', 'PERMISSION_DENIED'],
      ['.', 'INVALID_REQUEST'],
      ['no-such-directory', 'PROJECT_NOT_FOUND'],
    ];
    for (const [directory, code] of refusals) {
      const outside = await client.request('addDirectory', { sessionId, directory });
      expect(outside.data).toMatchObject({ code, details: { field: 'directory' } });
    }
    await client.request('setModel', { sessionId, model: 'claude-haiku-4-5' });
    const { data } = await client.request('sessionCapabilities', { sessionId });
    const { models } = ANSWERS.sessionCapabilities.parse(data);
    const { id: model = '' } = models.find(({ effortLevels }) => !effortLevels) ?? {};
    await client.request('setModel', { sessionId, model });
    const without = await client.request('setEffort', { sessionId, effort: 'high' });
    expect(without.data).toMatchObject({ code: 'INVALID_REQUEST', details: { field: 'effort' } });
    await turn(client, sessionId);
    expect(lastCall().output_config?.effort).toBeUndefined();
  });
});

test('setThinking bounds the thinking of a model with a budget, also in the next child; a name that was given while no CLI ran is given to the conversation when it goes on', async () => {
  const client = await world.connect();
  const sessionId = await open(client);
  await client.request('setModel', { sessionId, model: 'claude-haiku-4-5' });
  const answered = await client.request('setThinking', { sessionId, maxTokens: 5000 });
  expect(answered).toMatchObject({ type: 'setThinking', data: { sessionId, maxTokens: 5000 } });
  await turn(client, sessionId);
  expect(lastCall().thinking?.budget_tokens).toBe(5000);
  await client.request('streamClose', { sessionId, reason: 'enough' });
  const { workingDirectory } = await viewOf(sessionId);
  const options = { sessionName: 'Given meanwhile' };
  await client.request('streamStart', { prompt: '', workingDirectory: String(workingDirectory), options });
  await waitUntil('the conversation has the name', () => transcripts().includes('"customTitle":"Given meanwhile"'));
  await turn(client, sessionId);
  expect(lastCall().thinking?.budget_tokens).toBe(5000);
  await client.request('setThinking', { sessionId });
  await turn(client, sessionId);
  expect(lastCall().thinking?.budget_tokens).not.toBe(5000);
});

test('a name that is given on a device reaches the conversation, and one that is given there reaches every device', async () => {
  const client = await world.connect();
  const other = await world.connect();
  await other.request('subscribe', { events: ['*'] });
  const options = { sessionName: 'From the phone' };
  const { directory } = await openShared(client);
  const started = { prompt: scenario({ text: 'Done.' }), workingDirectory: directory, options };
  const { sessionId, promptId } = (await client.request('streamStart', started)).data;
  await client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);
  await waitUntil('the conversation has the name', () => transcripts().includes('"customTitle":"From the phone"'));
  const body = JSON.stringify({ sessionName: 'Second name' });
  const headers = { 'content-type': 'application/json' };
  const patched = await world.daemon.fetch(`/api/sessions/${sessionId}`, { method: 'PATCH', headers, body });
  expect(patched.status).toBe(200);
  await other.waitFor(({ data }) => data.sessionName === 'Second name');
  await waitUntil('the conversation has the name', () => transcripts().includes('"customTitle":"Second name"'));
  if (!(await hasCommand(client, sessionId, 'rename'))) return;
  await client.request('streamSend', { sessionId, prompt: '/rename At the desk' });
  await other.waitFor(({ type, data }) => type === 'sessionStatus' && data.sessionName === 'At the desk');
  expect(await viewOf(sessionId)).toMatchObject({ sessionName: 'At the desk' });
});

describe('commands of the CLI', () => {
  test('/effort changes the effort of the session and /model its model, also for the next child; what the CLI refuses, and what Claude says, does not', async () => {
    const client = await world.connect();
    const sessionId = await open(client);
    await say(client, sessionId, scenario({ text: 'Set effort level to max (this session only)' }));
    const { effort: before } = lastCall().output_config ?? {};
    expect((await client.request('setModel', { sessionId, model: 'opus' })).data).not.toHaveProperty('effort');
    const hasEffort = await hasCommand(client, sessionId, 'effort');
    const hasModel = await hasCommand(client, sessionId, 'model');
    await say(client, sessionId, '/effort enormous');
    await say(client, sessionId, '/effort max');
    const status = await client.request('setModel', { sessionId, model: 'opus' });
    expect(status.data.effort).toBe(hasEffort ? 'max' : undefined);
    const from = client.frames.length;
    if (hasModel) {
      await say(client, sessionId, '/model sonnet');
      await client.waitFor(({ type, data }) => type === 'sessionStatus' && /sonnet/.test(String(data.model)), from);
    }
    await killChild(sessionId);
    await turn(client, sessionId);
    if (hasModel) expect(world.api.requests.at(-1)?.model).toContain('sonnet');
    expect(lastCall().output_config?.effort).toBe(hasEffort ? 'max' : before);
    await say(client, sessionId, '/effort auto');
    expect((await client.request('setModel', { sessionId, model: 'opus' })).data).not.toHaveProperty('effort');
  });

  test('/output-style is in sessionCapabilities, and /config changes the model of the session', async () => {
    const client = await world.connect();
    const sessionId = await open(client);
    await turn(client, sessionId);
    if (await hasCommand(client, sessionId, 'output-style')) {
      await say(client, sessionId, '/output-style Explanatory');
      const { data } = await client.request('sessionCapabilities', { sessionId });
      expect(data).toMatchObject({ outputStyle: 'Explanatory' });
    }
    const from = client.frames.length;
    await say(client, sessionId, '/config model=haiku');
    await client.waitFor(({ type, data }) => type === 'sessionStatus' && /haiku/.test(String(data.model)), from);
    await say(client, sessionId, '/config model=default');
  });

  test('/clear brings a new conversation, which the session has from then on', async () => {
    const client = await world.connect();
    const sessionId = await open(client);
    await turn(client, sessionId);
    const { claudeSessionId: before } = await viewOf(sessionId);
    await client.request('streamSend', { sessionId, prompt: '/clear' });
    const init = await client.waitFor(
      ({ type, data }) => type === 'systemInit' && data.sessionId === sessionId && data.claudeSessionId !== before,
    );
    await turn(client, sessionId);
    expect((await viewOf(sessionId)).claudeSessionId).toBe(init.data.claudeSessionId);
  });
});

test('a revoked grant, an added directory and an effort level do not undo each other in the running child', async () => {
  const client = await world.connect();
  // The child ends with the grant: a session of its own.
  const workingDirectory = world.daemon.project();
  const { sessionId } = (await client.request('streamStart', { prompt: '', workingDirectory })).data;
  const { directory, file } = otherDirectory();
  const from = client.frames.length;
  const steps = [bash('cargo build a'), bash('cargo test'), bash('cargo build b'), read(file)];
  const prompt = scenario(...steps.map((tool) => ({ tools: [tool] })), { text: 'Done.' });
  await client.request('streamSend', { sessionId, prompt });
  const requestOf = (command: string) =>
    client.waitFor(
      ({ type, data }) => type === 'permissionRequest' && JSON.stringify(data.toolInput).includes(command),
      from,
    );
  const answer = async ({ data: { permissionId } }: Frame, response: string) =>
    client.request('permission', { sessionId, permissionId, response, remember: false });
  await answer(await requestOf('build a'), 'always');
  const unrelated = await requestOf('cargo test');
  const removed = await world.daemon.fetch(`/api/sessions/${sessionId}/remembered`, { method: 'DELETE' });
  expect(removed.status).toBe(200);
  await client.request('addDirectory', { sessionId, directory });
  await client.request('setEffort', { sessionId, effort: 'low' });
  await answer(unrelated, 'n');
  await answer(await requestOf('build b'), 'n');
  await client.waitFor('streamComplete', from);
  const asked = client.frames.slice(from).filter(({ type }) => type === 'permissionRequest');
  expect(asked).toHaveLength(3);
  await turn(client, sessionId);
  expect(lastCall().output_config?.effort).toBe('low');
});
