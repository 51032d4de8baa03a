/** `companion mcp`: a client of MCP on stdio, with the SDK's own client. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';
import { callTool } from './mcp-client.js';

const PROGRAM = join(import.meta.dirname, '../../dist/cli/main.js');
const world = useWorld();
const client = new Client({ name: 'test', version: '1' });
const errors: unknown[] = [];
let sessionId: string;

beforeAll(async () => {
  const env = { PATH: process.env.PATH ?? '', COMPANION_HOME: world.daemon.home };
  // What is not a message on stdout is an error of the transport. Progress that is read together with the answer is one
  // of the SDK's own: it takes answers at once, and notifications a moment later.
  client.onerror = (error) => {
    if (!error.message.includes('progress notification for an unknown token')) errors.push(error);
  };
  await client.connect(new StdioClientTransport({ command: process.execPath, args: [PROGRAM, 'mcp'], env }));
  await client.listTools();
  const folderName = 'mine';
  world.daemon.project(folderName);
  sessionId = String((await callTool(client, { name: 'start_session', args: { folderName } })).data.sessionId);
});
afterAll(() => client.close());

test('has the tools of its scopes, and none to approve with', async () => {
  const names = (await client.listTools()).tools.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(['list_sessions', 'send_prompt', 'read_history']));
  expect(names).not.toContain('answer');
});

test('sends prompts, with progress, and cancels them', async () => {
  const told: string[] = [];
  const options = { onprogress: ({ message = '' }) => void told.push(message) };
  const tools = [{ name: 'Bash', input: { command: 'true', description: 'x' } }];
  const args = { sessionId, prompt: scenario({ text: 'Wait.', tools }, { text: 'Hi.' }) };
  const { data } = await callTool(client, { name: 'send_prompt', args, options });
  expect(data).toMatchObject({ status: 'completed', response: 'Hi.' });
  expect(told.slice(0, 2)).toEqual(['Wait.', expect.stringContaining('Bash')]);
  const cancel = new AbortController();
  const prompt = scenario({ text: 'Never.', gate: 'stdio' });
  const sent = callTool(client, {
    name: 'send_prompt',
    args: { sessionId, prompt },
    options: { signal: cancel.signal },
  });
  const isOver = sent.catch(() => 'cancelled');
  await world.api.reached('stdio');
  cancel.abort('enough');
  expect(await isOver).toBe('cancelled');
  await waitUntil('nothing runs', async () => {
    const waiting = await callTool(client, { name: 'list_waiting' });
    return JSON.stringify(waiting.data) === '{"sessions":[]}';
  });
});

test('answers what was asked before stdin ended', async () => {
  const env = { PATH: process.env.PATH ?? '', COMPANION_HOME: world.daemon.home };
  const program = spawn(process.execPath, [PROGRAM, 'mcp'], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  program.stdin.end(`${JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'tools/list' })}\n`);
  const text = await textOf(program.stdout);
  expect(JSON.parse(text)).toMatchObject({ id: 7, result: { tools: expect.any(Array) } });
});

test('tells when no daemon answers, and goes on with the next one', async () => {
  await world.daemon.kill('SIGTERM');
  await expect(client.listTools()).rejects.toThrow('No daemon answers');
  await world.daemon.start();
  expect((await callTool(client, { name: 'list_sessions' })).data).toMatchObject({ total: 1 });
  expect(errors).toEqual([]);
});
