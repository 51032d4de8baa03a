/** The daemon as an MCP server over Streamable HTTP, with the client of MCP's own SDK and the real CLI. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import type { Scope } from '../../protocol/access.js';
import { promptViewSchema } from '../../protocol/prompts.js';
import type { Waiting } from '../../protocol/waiting.js';
import { TOKEN } from '../support/daemon.js';
import { askOver } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';
import { callTool, connectMcp } from './mcp-client.js';

const world = useWorld();
let client: Client;
let sessionId: string;

beforeAll(async () => {
  const wire = await world.connect();
  const directory = world.daemon.project('mine');
  ({ sessionId } = (await wire.request('streamStart', { prompt: '', workingDirectory: directory })).data);
  client = await connectMcp(world);
  // The client checks answers only of tools that it has listed.
  await client.listTools();
});
afterAll(() => client.close());

describe('a client', () => {
  test('is told of the server and its tools, with what each does', async () => {
    expect(client.getServerVersion()).toMatchObject({ name: 'claude-companion' });
    const { tools } = await client.listTools();
    const [list] = tools.filter(({ name }) => name === 'list_sessions');
    expect(list).toMatchObject({ annotations: { readOnlyHint: true }, outputSchema: { type: 'object' } });
  });

  test('lists sessions', async () => {
    const { data } = await callTool(client, { name: 'list_sessions' });
    expect(data).toMatchObject({ total: 1, sessions: [{ sessionId, projectName: 'mine' }] });
  });

  test('sends a prompt and gets the answer of its turn', async () => {
    const tools = [{ name: 'Bash', input: { command: 'true', description: 'x' } }];
    const prompt = scenario({ text: 'Wait.', tools }, { text: 'Hi.' });
    const told: string[] = [];
    const options = { onprogress: ({ message = '' }) => void told.push(message) };
    const { data } = await callTool(client, { name: 'send_prompt', args: { sessionId, prompt }, options });
    expect(promptViewSchema.parse(data)).toMatchObject({ status: 'completed', response: 'Hi.' });
    // The client drops what it is told when it reads it together with the answer.
    expect(told.slice(0, 2)).toEqual(['Wait.', expect.stringContaining('Bash')]);
  });
});

test('each call is counted by its tool and what came of it, and a name that is no tool is not', async () => {
  const counted = async () => {
    const text = await (await world.daemon.fetch('/metrics')).text();
    const found = text.matchAll(/^companion_mcp_tool_calls_total\{tool="(\w+)",outcome="(\w+)"\} (\d+)$/gm);
    return new Map([...found].map(([, tool, outcome, count]) => [`${tool} ${outcome}`, Number(count)]));
  };
  const before = await counted();
  await client.callTool({ name: 'list_waiting', arguments: {} });
  await client.callTool({ name: 'read_history', arguments: { sessionId: 'none' } });
  await client.callTool({ name: 'read_history', arguments: {} });
  await expect(client.callTool({ name: 'no_tool', arguments: {} })).rejects.toThrow('no_tool');
  const after = await counted();
  const more = [...after].map(([name, count]) => [name, count - (before.get(name) ?? 0)] as const);
  expect(Object.fromEntries(more.filter(([, count]) => count !== 0))).toEqual({
    'list_waiting ok': 1,
    'read_history INVALID_REQUEST': 1,
    'read_history SESSION_NOT_FOUND': 1,
  });
});

describe('the tools', () => {
  const waiting = scenario({ text: 'Late.', gate: 'late' });

  test('start a session where there is none, and join it where there is one', async () => {
    const folderName = 'made';
    world.daemon.project(folderName);
    const made = await callTool(client, { name: 'start_session', args: { folderName } });
    expect(made.data).toMatchObject({ projectName: folderName, reused: false });
    const again = await callTool(client, { name: 'start_session', args: { folderName } });
    expect(again.data).toMatchObject({ sessionId: made.data.sessionId, reused: true });
    const { data } = await callTool(client, { name: 'list_projects' });
    expect(data.projects).toContainEqual(expect.objectContaining({ name: folderName, sessionId: made.data.sessionId }));
  });

  test('wait no longer than they are told, wait on, and read what was said', async () => {
    const sent = await callTool(client, { name: 'send_prompt', args: { sessionId, prompt: waiting, timeoutMs: 0 } });
    expect(['queued', 'processing']).toContain(sent.data.status);
    const of = { sessionId, promptId: sent.data.promptId };
    await world.api.reached('late');
    const { data: waits } = await callTool(client, { name: 'list_waiting', args: { sessionId } });
    expect(waits).toMatchObject({ sessions: [{ prompts: [{ promptId: of.promptId, state: 'running' }] }] });
    world.api.release('late');
    const ended = await callTool(client, { name: 'wait_for_prompt', args: of });
    expect(ended.data).toMatchObject({ status: 'completed', response: 'Late.' });
    const { data } = await callTool(client, { name: 'read_history', args: { sessionId, limit: 1 } });
    expect(data).toMatchObject({ messages: [{ type: 'assistant' }], hasMore: true, nextCursor: expect.any(String) });
    const older = await callTool(client, { name: 'read_history', args: { sessionId, cursor: data.nextCursor } });
    expect(older.data.messages).toContainEqual(expect.objectContaining({ type: 'user' }));
    const found = await callTool(client, { name: 'search', args: { q: 'late', sessionId, role: 'assistant' } });
    expect(found.data).toMatchObject({ results: [{ sessionId, role: 'assistant' }] });
  });

  test('I1: run a prompt once for each request id', async () => {
    const args = { sessionId, prompt: scenario({ text: 'Once.' }), requestId: 'one' };
    const [one, two] = await Promise.all([1, 2].map(() => callTool(client, { name: 'send_prompt', args })));
    expect(two?.data.promptId).toBe(one?.data.promptId);
    expect(world.api.runs(args.prompt)).toBe(1);
  });

  test('answer a request once, and nothing that a person must see', async () => {
    const use = { name: 'Bash', input: { command: 'touch asked', description: 'x' } };
    const plan = { name: 'AskUserQuestion', input: { questions: [QUESTION] } };
    const prompt = scenario({ tools: [use] }, { tools: [plan] }, { text: 'Done.' });
    const wire = await world.connect();
    await wire.request('subscribe', { events: ['permissionRequest'] });
    const sent = callTool(client, { name: 'send_prompt', args: { sessionId, prompt } });
    const asked = await wire.waitFor((frame) => frame.type === 'permissionRequest' && frame.data.toolName === 'Bash');
    const { permissionId } = asked.data;
    const answer = (response: string, id = permissionId) =>
      callTool(client, { name: 'answer', args: { sessionId, permissionId: id, response } });
    expect(await answer('always')).toMatchObject({ isError: true, text: expect.stringContaining('remember') });
    expect((await answer('y')).data).toEqual({ permissionId, decision: 'allow' });
    expect(await answer('y')).toMatchObject({ isError: true, text: expect.stringMatching(/^ALREADY_RESOLVED/) });
    const question = await wire.waitFor(
      (frame) => frame.type === 'permissionRequest' && frame.data.toolName === 'AskUserQuestion',
    );
    const id = String(question.data.permissionId);
    expect(await answer('y', id)).toMatchObject({ isError: true, text: expect.stringMatching(/^PERMISSION_DENIED/) });
    await wire.request('permission', { sessionId, permissionId: id, response: 'n', remember: false });
    expect((await sent).data).toMatchObject({ status: 'completed' });
  });

  test('a client that cancels a call cancels its prompt, and no other one', async () => {
    const other = scenario({ text: 'Goes on.', gate: 'other' });
    const first = callTool(client, { name: 'send_prompt', args: { sessionId, prompt: other } });
    await world.api.reached('other');
    const cancel = new AbortController();
    const prompt = scenario({ text: 'Never.' });
    const options = { signal: cancel.signal };
    const second = callTool(client, { name: 'send_prompt', args: { sessionId, prompt }, options });
    const isOver = second.catch(() => 'cancelled');
    const promptsOf = async () => {
      const { data } = await callTool(client, { name: 'list_waiting', args: { sessionId } });
      return (data as Waiting).sessions.flatMap(({ prompts }) => prompts.map(({ text }) => text));
    };
    await waitUntil('both are there', async () => (await promptsOf()).length === 2);
    cancel.abort('enough');
    expect(await isOver).toBe('cancelled');
    await waitUntil('one is there', async () => (await promptsOf()).length === 1);
    world.api.release('other');
    expect((await first).data).toMatchObject({ status: 'completed', response: 'Goes on.' });
    expect(world.api.runs(prompt)).toBe(0);
  });
});

const QUESTION = {
  question: 'Which?',
  header: 'Which',
  multiSelect: false,
  options: [
    { label: 'One', description: 'The first.' },
    { label: 'Two', description: 'The second.' },
  ],
};

describe('transcripts', () => {
  test('are listed, and read as Markdown', async () => {
    const { resources } = await client.listResources();
    const [mine] = resources.filter(({ name }) => name === 'mine');
    expect(mine).toMatchObject({ mimeType: 'text/markdown', uri: expect.stringContaining(sessionId) });
    const { contents } = await client.readResource({ uri: mine?.uri ?? '' });
    expect(contents).toMatchObject([{ mimeType: 'text/markdown', text: expect.stringContaining('# mine') }]);
    expect(JSON.stringify(contents)).toContain('Late.');
    const { resourceTemplates } = await client.listResourceTemplates();
    expect(resourceTemplates).toMatchObject([{ uriTemplate: 'companion://sessions/{sessionId}/transcript' }]);
    await expect(client.readResource({ uri: 'companion://sessions/x/transcript' })).rejects.toThrow('no such');
    await expect(client.listResources({ cursor: 'x' })).rejects.toThrow('cursor');
  });
});

describe('the scopes of a credential', () => {
  async function keyWith(...scopes: Scope[]): Promise<{ id: string; key: string }> {
    const body = { name: `agent ${scopes.join(' ')}`, scopes };
    return (await askOver<{ id: string; key: string }>(world.daemon, 'POST', '/api/keys', { token: TOKEN, body })).body;
  }

  test('S1: hold for tools and resources, and can be fewer', async () => {
    const { key } = await keyWith('read');
    const reader = await connectMcp(world, { token: key });
    const names = (await reader.listTools()).tools.map(({ name }) => name);
    expect(names).toEqual([
      'list_sessions',
      'list_projects',
      'wait_for_prompt',
      'read_history',
      'search',
      'list_waiting',
    ]);
    const denied = await callTool(reader, { name: 'send_prompt', args: { sessionId, prompt: 'x' } });
    expect(denied).toMatchObject({ isError: true, text: expect.stringMatching(/^PERMISSION_DENIED: .*scope prompt/) });
    expect((await reader.listResources()).resources.length).toBeGreaterThan(0);
    await reader.close();
    const narrow = await connectMcp(world, { query: '?scopes=prompt' });
    expect((await narrow.listTools()).tools.map(({ name }) => name)).toEqual([
      'start_session',
      'send_prompt',
      'cancel_prompt',
    ]);
    await expect(narrow.listResources()).rejects.toThrow('scope read');
    await narrow.close();
  });

  test('S1: a key that is revoked ends the wait, and nothing else', async () => {
    const { key, id } = await keyWith('read', 'prompt');
    const doomed = await connectMcp(world, { token: key });
    const prompt = scenario({ text: 'All the same.', gate: 'revoked' });
    const sent = callTool(doomed, { name: 'send_prompt', args: { sessionId, prompt } });
    await world.api.reached('revoked');
    await askOver(world.daemon, 'DELETE', `/api/keys/${id}`, { token: TOKEN });
    expect(await sent).toMatchObject({ isError: true, text: expect.stringMatching(/^UNAUTHORIZED/) });
    await expect(doomed.listTools()).rejects.toThrow();
    await doomed.close();
    world.api.release('revoked');
    await waitUntil('its turn has ended', async () => {
      const { data } = await callTool(client, { name: 'read_history', args: { sessionId, limit: 1 } });
      return JSON.stringify(data).includes('All the same.');
    });
  });
});

describe('without the SDK', () => {
  const post = (body: unknown, headers: Record<string, string> = {}) =>
    world.daemon.fetch('/mcp', {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers },
    });
  const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' };

  test('anything is accepted as JSON', async () => {
    const call = { jsonrpc: '2.0', id: 'a', method: 'tools/call', params: { name: 'list_sessions' } };
    const response = await post(call, { accept: '*/*' });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ id: 'a', result: { structuredContent: { total: 2 } } });
  });

  test('an unknown method or tool gets an error of the protocol, and a notification no answer', async () => {
    expect(await (await post({ ...list, method: 'none' })).json()).toMatchObject({ error: { code: -32601 } });
    const unknown = { ...list, method: 'tools/call', params: { name: 'none' } };
    expect(await (await post(unknown)).json()).toMatchObject({ error: { code: -32602 } });
    const { status } = await post({ jsonrpc: '2.0', method: 'notifications/initialized' });
    expect(status).toBe(202);
  });

  test.each<[unknown, Record<string, string>, string]>([
    [[list], {}, 'body'],
    [{ ...list, jsonrpc: '1.0' }, {}, 'jsonrpc'],
    [{ ...list, id: null }, {}, 'id'],
    [{ ...list, params: { _meta: { progressToken: {} } } }, {}, 'body'],
    [list, { 'mcp-protocol-version': '1999-01-01' }, 'MCP-Protocol-Version'],
  ])('O1: %j with %j is refused', async (body, headers, field) => {
    const response = await post(body, headers);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: 'INVALID_REQUEST', details: { field } } });
  });

  test('S1: without a credential there is nothing but the way to send one', async () => {
    const response = await fetch(`${world.daemon.url}/mcp`, { method: 'POST' });
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
  });
});
