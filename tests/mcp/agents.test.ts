/** Agents of sessions that prompt sessions with the tools of the daemon: the real CLI is the client of MCP. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import type { PromptPage, PromptView } from '../../protocol/prompts.js';
import { TOKEN } from '../support/daemon.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const PROGRAM = join(import.meta.dirname, '../../dist/cli/main.js');
const world = useWorld();
let client: WireClient;
let first: string;
let second: string;
let third: string;

/** In the settings of the person: one server says in which session it is, the other is written as for any server. */
function addServers(): void {
  const url = `${world.daemon.url}/mcp`;
  const headers = { Authorization: `Bearer ${TOKEN}` };
  const marked = { ...headers, 'X-Companion-Session': `$${'{CLAUDE_COMPANION_SESSION}'}` };
  const mcpServers = {
    marked: { type: 'http', url, headers: marked },
    plain: { type: 'http', url, headers },
    local: { command: process.execPath, args: [PROGRAM, 'mcp'], env: { COMPANION_HOME: world.daemon.home } },
  };
  writeFileSync(join(world.daemon.environment.HOME ?? '', '.claude.json'), JSON.stringify({ mcpServers }));
}

async function open(name: string): Promise<string> {
  const options = { allowedTools: ['mcp__marked', 'mcp__plain', 'mcp__local'] };
  const workingDirectory = world.daemon.project(name);
  const started = await client.request('streamStart', { prompt: '', workingDirectory, options });
  const project = `proj_${Buffer.from(workingDirectory).toString('base64url')}`;
  // 2.1.197 begins a turn while they are still connecting.
  await waitUntil('its servers are connected', async () => {
    const listed = await world.daemon.fetch(`/v1/mcp/servers?project_id=${project}`);
    const { servers = [] } = (await listed.json()) as { servers?: { status: string }[] };
    return servers.filter(({ status }) => status === 'connected').length === 3;
  });
  return started.data.sessionId;
}

beforeAll(async () => {
  addServers();
  client = await world.connect();
  await client.request('subscribe', { events: ['*'] });
  first = await open('first');
  second = await open('second');
  third = await open('third');
});

const prompts = (server: string, sessionId: string, prompt: string, more: object = {}) => ({
  tools: [{ name: `mcp__${server}__send_prompt`, input: { sessionId, prompt, ...more } }],
});

/** Runs a turn to its end; returns how it ended. */
async function run(sessionId: string, prompt: string) {
  const { data } = await client.request('streamSend', { sessionId, prompt });
  return client.waitFor((frame) => frame.type === 'streamComplete' && frame.data.promptId === data.promptId);
}

const promptsOf = async (sessionId: string): Promise<PromptPage> =>
  (await (await world.daemon.fetch(`/api/sessions/${sessionId}/prompts`)).json()) as PromptPage;

/** The newest prompt of a session, with what its turn has done. */
async function newestOf(sessionId: string): Promise<PromptView> {
  const [newest] = (await promptsOf(sessionId)).prompts;
  return (await (await world.daemon.fetch(`/api/sessions/${sessionId}/prompts/${newest?.id}`)).json()) as PromptView;
}

const REFUSED = [{ success: false, result: expect.stringContaining('CONFLICT') }];

describe.each(['marked', 'plain', 'local'])('an agent with the server %s', (server) => {
  test('that prompts itself is told so, and its turn ends well', async () => {
    const before = (await promptsOf(first)).total;
    const end = await run(first, scenario(prompts(server, first, 'Again.'), { text: 'I stop.' }));
    expect(end.data).toMatchObject({ isError: false, finalResult: 'I stop.' });
    expect(await newestOf(first)).toMatchObject({ metadata: { toolCalls: REFUSED } });
    expect((await promptsOf(first)).total).toBe(before + 1);
  });

  test('that another one has prompted does not prompt it back', async () => {
    const back = scenario(prompts(server, first, 'And back.', { wait: false }), { text: 'I answer here.' });
    const end = await run(first, scenario(prompts(server, second, back), { text: 'It has answered.' }));
    expect(end.data).toMatchObject({ isError: false, finalResult: 'It has answered.' });
    expect(await newestOf(second)).toMatchObject({
      status: 'completed',
      via: [first],
      metadata: { toolCalls: REFUSED },
    });
    const [asked] = (await newestOf(first)).metadata.toolCalls ?? [];
    expect(asked).toMatchObject({ success: true, result: expect.stringContaining('I answer here.') });
  });
});

test('the way of a prompt outlives a daemon that is killed on it: the circle is found by the next one', async () => {
  const gate = 'on-the-way';
  const back = scenario(prompts('local', first, 'Round.', { wait: false }), { text: 'I stop.' });
  const on = scenario({ gate, ...prompts('local', third, back, { wait: false }) }, { text: 'I have sent it on.' });
  const end = await run(first, scenario(prompts('local', second, on, { wait: false }), { text: 'I have sent it.' }));
  expect(end.data).toMatchObject({ isError: false, finalResult: 'I have sent it.' });
  await world.api.reached(gate);
  const before = (await promptsOf(first)).total;
  await world.daemon.restart('SIGKILL');
  world.api.release(gate);
  for (const sessionId of [third, second]) {
    await waitUntil('its turn has ended', async () => (await newestOf(sessionId)).completedAt !== undefined);
  }
  expect(await newestOf(second)).toMatchObject({ status: 'completed', via: [first] });
  const last = await newestOf(third);
  expect(last).toMatchObject({ status: 'completed', via: [first, second], metadata: { toolCalls: REFUSED } });
  expect((await promptsOf(first)).total).toBe(before);
});
