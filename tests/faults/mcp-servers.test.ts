/** MCP servers that go wrong, through the real CLI: none of them holds up a session, and none is silent for its person. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type HttpMcpServer, startHttpMcpServer } from '../support/http-mcp-server.js';
import { type LoginServer, startLoginServer } from '../support/login-server.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
const logins: LoginServer[] = [];
let web: HttpMcpServer;
/** A session that has had its first turn. */
let sessionId: string;
let client: WireClient;

const http = (url: string) => ({ type: 'http', url });
const stdio = (mode: string) => ({
  type: 'stdio',
  command: process.execPath,
  args: [join(import.meta.dirname, '../support/failing-server.mjs'), mode],
});

beforeAll(async () => {
  logins.push(await startLoginServer(), await startLoginServer({ opensWithout: true }));
  web = await startHttpMcpServer();
  const [locked = '', half = ''] = logins.map(({ url }) => url);
  const mcpServers = {
    locked: http(locked),
    half: http(half),
    web: http(web.url),
    deaf: http(`${web.base}/silent`),
    broken: http(`${web.base}/broken`),
    working: stdio('working'),
    failing: stdio('fail'),
    silent: stdio('silent'),
  };
  writeFileSync(join(world.daemon.environment.HOME ?? '', '.claude.json'), JSON.stringify({ mcpServers }));
  client = await world.connect();
  ({ sessionId } = await open(client, scenario({ text: 'One.' })));
  await client.waitFor('streamComplete');
});
afterAll(async () => {
  for (const server of [...logins, web]) await server.close();
});

async function open(device: WireClient, prompt: string) {
  const folder = world.daemon.project();
  const { data } = await device.request('streamStart', {
    prompt,
    workingDirectory: folder,
    options: { allowedTools: ['mcp__working', 'mcp__web', 'mcp__half'] },
  });
  return { sessionId: data.sessionId, promptId: data.promptId, folder };
}

const isEndOf =
  (promptId: unknown) =>
  ({ type, data }: Frame): boolean =>
    type === 'streamComplete' && data.promptId === promptId;

async function send(device: WireClient, to: string, prompt: string): Promise<Frame> {
  const { data } = await device.request('streamSend', { sessionId: to, prompt });
  return device.waitFor(isEndOf(data.promptId));
}

const LATE_TURNS = 5;

/** What was said of each server, in this session. */
const told = () =>
  client.frames.flatMap(({ type, data }) =>
    type === 'progress' && String(data.stage).startsWith('mcp_') && data.sessionId === sessionId
      ? [`${String(data.stage)}: ${String(data.message)}`]
      : [],
  );

test('a server that needs a login, fails or does not answer is told once, and the turn goes on without it', async () => {
  const decided = [
    'mcp_authenticate: The MCP server locked needs a login.',
    'mcp_failed: The MCP server broken cannot be used: it did not start, or did not answer.',
    'mcp_failed: The MCP server failing cannot be used: it did not start, or did not answer.',
  ];
  const silent = ['deaf', 'silent'].map(
    (name) => `mcp_pending: The MCP server ${name} has not answered yet: Claude begins without its tools.`,
  );
  // On a busy machine, others have not answered either when the CLI stops waiting: a later turn tells how they ended.
  for (let turn = 0; turn < LATE_TURNS && !decided.every((one) => told().includes(one)); turn += 1)
    await send(client, sessionId, scenario({ text: 'Meanwhile.' }));
  const before = told();
  expect(before.filter((one) => !one.startsWith('mcp_pending')).sort()).toEqual(decided);
  expect(before).toEqual(expect.arrayContaining(silent));
  expect(new Set(before).size).toBe(before.length);
  expect((await send(client, sessionId, scenario({ text: 'Two.' }))).data.finalResult).toBe('Two.');
  expect(told()).toEqual(before);
});

test('a server that dies in a call or asks for a login there fails the call, and the turn goes on', async () => {
  const from = client.frames.length;
  const die = { tools: [{ name: 'mcp__working__die', input: {} }] };
  const calls = [die, die, { tools: [{ name: 'mcp__half__read', input: {} }] }];
  const end = await send(client, sessionId, scenario(...calls, { text: 'It did not work.' }));
  expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'It did not work.' });
  const results = client.frames.slice(from).filter(({ type }) => type === 'toolResult');
  // It is started again for the second call.
  const closed = { toolName: 'mcp__working__die', success: false, error: expect.stringContaining('Connection closed') };
  expect(results.map(({ data }) => data)).toMatchObject([
    closed,
    closed,
    { toolName: 'mcp__half__read', success: false },
  ]);
  await send(client, sessionId, scenario({ text: 'Next.' }));
  expect(told()).toContain('mcp_authenticate: The MCP server half needs a login.');
});

describe('a call that never ends', () => {
  test.each(['mcp__working__wait', 'mcp__web__wait'])(
    'H2: outlives the daemon; a prompt waits for its end, other sessions do not, and an interrupt ends it: %s',
    async (name) => {
      const before = await world.connect();
      const waits = web.waits();
      const early = await open(before, '');
      const isUp = ({ type, data }: Frame) =>
        type === 'sessionStatus' && data.sessionId === early.sessionId && data.status === 'idle';
      await before.waitFor(isUp);
      // The CLI still waits for its servers: it has the prompt, and the turn has not begun.
      const first = await before.request('streamSend', {
        sessionId: early.sessionId,
        prompt: scenario({ text: 'Never.', gate: `early-${name}` }),
      });
      await before.request('interrupt', { sessionId: early.sessionId });
      expect((await before.waitFor(isEndOf(first.data.promptId))).data.subtype).toBe('interrupted');
      const at = join(early.folder, 'called');
      const hung = await before.request('streamSend', {
        sessionId: early.sessionId,
        prompt: scenario({ tools: [{ name, input: { at } }] }, { text: 'Never.' }),
      });
      await waitUntil('it is called', () => existsSync(at) || web.waits() > waits);
      const next = await before.request('streamSend', {
        sessionId: early.sessionId,
        prompt: scenario({ text: 'After it.' }),
      });
      expect((await send(client, sessionId, scenario({ text: 'Beside it.' }))).data.finalResult).toBe('Beside it.');

      await world.daemon.restart('SIGKILL');
      const after = await world.connect();
      client = await world.connect();
      for (const device of [after, client]) await device.request('subscribe', { events: ['*'] });
      const view = await (await world.daemon.fetch(`/api/sessions/${early.sessionId}`)).json();
      expect(view).toMatchObject({ status: 'working', queueDepth: 1 });
      await after.request('interrupt', { sessionId: early.sessionId, holdQueue: false });
      expect((await after.waitFor(isEndOf(hung.data.promptId))).data.subtype).toBe('interrupted');
      expect((await after.waitFor(isEndOf(next.data.promptId))).data.finalResult).toBe('After it.');
    },
  );
});
