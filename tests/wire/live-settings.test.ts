import { afterEach, describe, expect, test } from '@jest/globals';
import type { Conversations } from '../../protocol/conversations.js';
import { scenario } from '../support/scripted-api.js';
import { useSharedDirectory } from '../support/shared-directory.js';
import { waitUntil } from '../support/wait-until.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
const sharedDirectory = useSharedDirectory(world);
afterEach(() => world.disconnect());

const view = async (sessionId: string): Promise<Record<string, unknown>> => {
  const response = await world.daemon.fetch(`/api/sessions/${sessionId}`);
  return (await response.json()) as Record<string, unknown>;
};

/** Runs one turn in the directory and gives its end. */
async function turn(
  client: WireClient,
  workingDirectory: string,
  options: Record<string, unknown> = {},
): Promise<Frame> {
  const started = await client.request('streamStart', {
    prompt: scenario({ text: 'Done.' }),
    workingDirectory,
    options,
  });
  return client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === started.data.promptId);
}

const idle = (client: WireClient): Promise<Frame> =>
  client.waitFor(({ type, data }) => type === 'sessionStatus' && data.status === 'idle');

describe('settings of a live child', () => {
  test('model and permission mode change without another child, and the answer comes before the event', async () => {
    const client = await world.connect();
    const first = await turn(client, await sharedDirectory());
    const { sessionId } = first.data;
    await idle(client);
    const { pid } = await view(sessionId);
    const model = await client.request('setModel', { sessionId, model: 'claude-haiku-4-5' });
    expect(model).toMatchObject({ type: 'sessionStatus', data: { sessionId, model: 'claude-haiku-4-5' } });
    expect(model.seq).toBeUndefined();
    const event = await client.waitFor(({ seq, data }) => seq !== undefined && data.model === 'claude-haiku-4-5');
    expect(client.frames.indexOf(model)).toBeLessThan(client.frames.indexOf(event));
    const mode = await client.request('setPermissionMode', { sessionId, mode: 'acceptEdits' });
    expect(mode).toMatchObject({ type: 'sessionStatus', data: { permissionMode: 'acceptEdits' } });
    const said = await client.waitFor(({ seq, data }) => seq !== undefined && data.permissionMode === 'acceptEdits');
    expect(client.frames.indexOf(mode)).toBeLessThan(client.frames.indexOf(said));
    await client.request('streamSend', { sessionId, prompt: scenario({ text: 'With another model.' }) });
    const init = await client.waitFor(({ type, data }) => type === 'systemInit' && data.model === 'claude-haiku-4-5');
    expect(init.data.permissionMode).toBe('acceptEdits');
    await client.waitFor(({ data }) => data.finalResult === 'With another model.');
    expect(await view(sessionId)).toMatchObject({ pid, model: 'claude-haiku-4-5', permissionMode: 'acceptEdits' });
    expect(world.api.requests.at(-1)?.model).toContain('haiku');
  });

  test('a mode without permission requests is refused unless the owner allowed it', async () => {
    const client = await world.connect();
    const { data } = await client.request('streamStart', { prompt: '', workingDirectory: await sharedDirectory() });
    const refused = await client.request('setPermissionMode', { sessionId: data.sessionId, mode: 'bypassPermissions' });
    expect(refused.data).toMatchObject({ code: 'PERMISSION_DENIED', details: { field: 'mode' } });
  });

  test('a closed session keeps its record, refuses prompts and is opened again with its conversation', async () => {
    const client = await world.connect();
    const directory = await sharedDirectory();
    const { sessionId } = (await turn(client, directory)).data;
    const { claudeSessionId: conversation, messageCount: before } = await view(sessionId);
    const closed = await client.request('streamClose', { sessionId, reason: 'enough' });
    expect(closed).toMatchObject({ type: 'sessionStatus', data: { status: 'closed', reason: 'enough' } });
    const refused = await client.request('streamSend', { sessionId, prompt: 'Anybody?' });
    expect(refused.data).toMatchObject({ code: 'CONFLICT' });
    const again = await turn(client, directory);
    expect(again.data.sessionId).toBe(sessionId);
    expect(await view(sessionId)).toMatchObject({ claudeSessionId: conversation, messageCount: Number(before) + 2 });
    const sent = JSON.stringify(world.api.requests.at(-1)?.messages);
    expect(sent.match(/scenario /g)?.length).toBeGreaterThan(1);
  });

  test('a conversation is resumed, forked and started over in the same session of the directory', async () => {
    const client = await world.connect();
    const directory = await sharedDirectory();
    const { sessionId } = (await turn(client, directory)).data;
    const first = (await view(sessionId)).claudeSessionId as string;
    const prompts = () => JSON.stringify(world.api.requests.at(-1)?.messages).match(/scenario /g)?.length ?? 0;
    const before = prompts();
    const inits = () => client.events(sessionId).filter(({ type }) => type === 'systemInit');
    const known = inits().length;

    await turn(client, directory, { preserveContext: false });
    const second = (await view(sessionId)).claudeSessionId as string;
    expect(second).not.toBe(first);
    expect(prompts()).toBe(1);

    await turn(client, directory, { resume: first });
    expect((await view(sessionId)).claudeSessionId).toBe(first);
    expect(prompts()).toBe(before + 1);

    await turn(client, directory, { fork: true });
    const forked = (await view(sessionId)).claudeSessionId as string;
    expect([first, second]).not.toContain(forked);
    expect(prompts()).toBe(before + 2);
    expect(
      inits()
        .slice(known)
        .map(({ data }) => data.claudeSessionId),
    ).toEqual([second, first, forked]);
  });

  test('a name that comes with a fork is that of the fork, and the conversation before keeps its own', async () => {
    const client = await world.connect();
    const directory = world.daemon.project('names');
    const path = `/api/conversations?workingDirectory=${encodeURIComponent(directory)}`;
    const titles = async () => {
      const { conversations } = (await (await world.daemon.fetch(path)).json()) as Conversations;
      return conversations.map(({ title }) => title).sort();
    };
    await turn(client, directory, { sessionName: 'First' });
    await waitUntil('the CLI has the name', async () => (await titles()).includes('First'));
    await idle(client);
    await turn(client, directory, { fork: true, sessionName: 'Second' });
    await waitUntil('the CLI has the name of the fork', async () => (await titles()).includes('Second'));
    expect(await titles()).toEqual(['First', 'Second']);
  });

  test('a conversation that changed right before the daemon was killed stays changed', async () => {
    const client = await world.connect();
    const directory = await sharedDirectory();
    const { sessionId } = (await turn(client, directory)).data;
    const first = (await view(sessionId)).claudeSessionId;
    await idle(client);
    await client.request('streamStart', {
      prompt: '',
      workingDirectory: directory,
      options: { preserveContext: false },
    });
    await world.daemon.restart('SIGKILL');
    const back = await world.connect();
    await turn(back, directory);
    expect((await view(sessionId)).claudeSessionId).not.toBe(first);
  });

  test('the conversation cannot change while a turn runs, and an unknown one is refused', async () => {
    const client = await world.connect();
    const workingDirectory = await sharedDirectory();
    const prompt = scenario({ text: 'Busy.', gate: 'busy' });
    await client.request('streamStart', { prompt, workingDirectory });
    await world.api.reached('busy');
    const busy = await client.request('streamStart', {
      prompt: 'x',
      workingDirectory,
      options: { preserveContext: false },
    });
    expect(busy.data).toMatchObject({ code: 'CONFLICT', details: { field: 'options' } });
    world.api.release('busy');
    await client.waitFor('streamComplete');
    const resume = '00000000-0000-4000-8000-000000000000';
    const unknown = await client.request('streamStart', { prompt: 'x', workingDirectory, options: { resume } });
    expect(unknown.data).toMatchObject({ code: 'INVALID_REQUEST', details: { field: 'options.resume' } });
  });

  test('the history has the messages in order, page by page', async () => {
    const client = await world.connect();
    const directory = await sharedDirectory();
    const { sessionId } = (await turn(client, directory)).data;
    const before = Number((await view(sessionId)).messageCount) - 2;
    await turn(client, directory);
    await turn(client, directory);
    const all = await client.request('getMessageHistory', { sessionId });
    expect(all.data.sessionMetadata).toMatchObject({
      conversationStarted: true,
      createdAt: expect.any(Number),
      lastActivity: expect.any(Number),
    });
    expect(all.data).toMatchObject({ success: true, totalCount: before + 6, hasMore: false, offset: 0 });
    const messages = (all.data.messages as { id: string; type: string; seq: number }[]).slice(before);
    expect(messages.map(({ type }) => type)).toEqual(['user', 'assistant', 'user', 'assistant', 'user', 'assistant']);
    const page = await client.request('getMessageHistory', { sessionId, limit: 2, offset: before + 2 });
    expect(page.data).toMatchObject({ messages: messages.slice(2, 4), hasMore: true });
    const newest = await client.request('getMessageHistory', { sessionId, limit: 2, before: messages[5]?.seq ?? 0 });
    expect(newest.data.messages).toEqual(messages.slice(3, 5));
    const after = await client.request('getMessageHistory', { sessionId, after: messages[3]?.seq ?? 0 });
    expect(after.data.messages).toEqual(messages.slice(4));
  });
});
