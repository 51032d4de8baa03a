/** MCP servers of the CLI below `/v1/mcp`, and the tools of a session, through the real CLI and real servers. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  type McpServer,
  mcpLoginSchema,
  mcpServerSchema,
  mcpServersSchema,
  mcpToolsSchema,
  type SessionToolsView,
  sessionToolsSchema,
} from '../../protocol/mcp.js';
import { type HttpMcpServer, startHttpMcpServer } from '../support/http-mcp-server.js';
import { type LoginServer, startLoginServer } from '../support/login-server.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';
import { createV1 } from './v1.js';

const world = useWorld();
let locked: LoginServer;
let web: HttpMcpServer;
let client: WireClient;
let sessionId: string;
let project: string;

const stdio = (mode: string) => ({
  type: 'stdio',
  command: process.execPath,
  args: [join(import.meta.dirname, '../support/failing-server.mjs'), mode],
  env: { SECRET: 'never-told' },
});

beforeAll(async () => {
  locked = await startLoginServer();
  web = await startHttpMcpServer();
  const mcpServers = {
    locked: { type: 'http', url: locked.url },
    web: { type: 'http', url: web.url },
    failing: stdio('fail'),
    working: stdio('working'),
  };
  writeFileSync(join(world.daemon.environment.HOME ?? '', '.claude.json'), JSON.stringify({ mcpServers }));
  const folder = world.daemon.project();
  writeFileSync(join(folder, '.mcp.json'), JSON.stringify({ mcpServers: { own: stdio('working') } }));
  project = `proj_${Buffer.from(folder).toString('base64url')}`;
  client = await world.connect();
  const options = { allowedTools: ['mcp__working', 'mcp__own'] };
  const prompt = scenario({ text: 'Up.' });
  const { data } = await client.request('streamStart', { prompt, workingDirectory: folder, options });
  sessionId = String(data.sessionId);
  await client.waitFor('streamComplete');
});
afterAll(async () => {
  for (const server of [locked, ...logins]) await server.close();
  await web.close();
});

const call = createV1(world);
const logins: LoginServer[] = [];
const projectOf = (folder: string) => `proj_${Buffer.from(folder).toString('base64url')}`;

const refused = (status: number, code: string, param: string) => ({ status, body: { error: { code, param } } });

const serversOf = async (query = ''): Promise<McpServer[]> =>
  mcpServersSchema.strict().parse((await call('GET', `/mcp/servers${query}`)).body).servers;
const shortly = (servers: McpServer[]) => Object.fromEntries(servers.map(({ name, status }) => [name, status]));

describe('the servers', () => {
  test('of the person, from a running CLI, without their secrets', async () => {
    const servers = await serversOf();
    const expected = { failing: 'failed', locked: 'needs-auth', web: 'connected', working: 'connected' };
    expect(shortly(servers)).toEqual(expected);
    expect(shortly(await serversOf('?scope=user'))).toEqual(expected);
    const working = servers.find(({ name }) => name === 'working');
    expect(working).toMatchObject({ scope: 'user', transport: 'stdio', enabled: true, tools: ['wait', 'die'] });
    expect(JSON.stringify(servers)).not.toContain('never-told');
  });

  test('of a project', async () => {
    const all = await serversOf(`?project_id=${project}`);
    expect(all.map(({ name }) => name)).toEqual(expect.arrayContaining(['own', 'working']));
    const [own, ...others] = await serversOf(`?scope=project&project_id=${project}`);
    expect(own).toMatchObject({ id: 'own', scope: 'project', status: 'connected' });
    expect(others).toEqual([]);
  });

  test('of a project without a running CLI, from one that is started for it', async () => {
    const folder = world.daemon.project();
    writeFileSync(join(folder, '.mcp.json'), JSON.stringify({ mcpServers: { asleep: stdio('working') } }));
    const id = `proj_${Buffer.from(folder).toString('base64url')}`;
    const servers = await serversOf(`?scope=project&project_id=${id}`);
    expect(servers).toMatchObject([{ name: 'asleep', scope: 'project' }]);
  });

  test('with the tools of each', async () => {
    const { body } = await call('GET', '/mcp/servers/working/tools');
    const told = mcpToolsSchema.strict().parse(body);
    expect(told).toMatchObject({ server: 'working', status: 'connected' });
    expect(told.tools.map(({ full_name: name }) => name)).toEqual(['mcp__working__wait', 'mcp__working__die']);
    expect(await call('GET', '/mcp/servers/none/tools')).toMatchObject(refused(404, 'NOT_FOUND', 'id'));
  });

  test('are switched off and on', async () => {
    const off = await call('POST', '/mcp/servers/working/toggle', { session_id: sessionId, enabled: false });
    expect(mcpServerSchema.strict().parse(off.body)).toMatchObject({ status: 'disabled', enabled: false });
    const on = await call('POST', '/mcp/servers/working/toggle', { project_id: project, enabled: true });
    expect(mcpServerSchema.strict().parse(on.body)).toMatchObject({ status: 'connected', enabled: true });
  });

  test('are connected to again, also in vain', async () => {
    const failing = await call('POST', '/mcp/servers/failing/reconnect', { session_id: sessionId });
    expect(failing).toMatchObject({ status: 200, body: { status: 'failed', error: expect.any(String) } });
    const working = await call('POST', '/mcp/servers/working/reconnect', { session_id: sessionId });
    expect(working).toMatchObject({ status: 200, body: { status: 'connected' } });
  });

  test('a login begins with a page', async () => {
    const { status, body } = await call('POST', '/mcp/servers/locked/login', { session_id: sessionId });
    expect(status).toBe(200);
    const login = mcpLoginSchema.strict().parse(body);
    expect(login).toMatchObject({ server: 'locked', needs_person: true });
    expect(new URL(login.url ?? '').pathname).toBe('/authorize');
  });

  const redirect = 'https://phone.example/back';
  test.each([
    ['given to the callback', {}],
    ['of an address of the client', { redirect_uri: redirect }],
  ])('a login ends with the address to which its page has led: %s', async (_, more) => {
    const server = await startLoginServer();
    logins.push(server);
    const folder = world.daemon.project();
    const name = `vault${logins.length}`;
    const mcpServers = { [name]: { type: 'http', url: server.url } };
    writeFileSync(join(folder, '.mcp.json'), JSON.stringify({ mcpServers }));
    const options = { allowedTools: [`mcp__${name}`] };
    const { data } = await client.request('streamStart', { prompt: '', workingDirectory: folder, options });
    const at = { session_id: String(data.sessionId) };
    const statusOf = async () => (await serversOf(`?project_id=${projectOf(folder)}`)).find((one) => one.id === name);
    await waitUntil('it asks for a login', async () => (await statusOf())?.status === 'needs-auth');

    const begun = await call('POST', `/mcp/servers/${name}/login`, { ...at, ...more });
    const { url = '' } = mcpLoginSchema.parse(begun.body);
    const back = server.visit(url);
    if ('redirect_uri' in more) expect(back.startsWith(redirect)).toBe(true);
    const wrong = new URL(back);
    wrong.searchParams.set('state', 'of-another');
    const refusedOne = await call('POST', `/mcp/servers/${name}/login/callback`, { ...at, callback_url: wrong.href });
    expect(refusedOne).toMatchObject({ status: 400, body: { error: { code: 'INVALID_REQUEST' } } });
    expect((await statusOf())?.status).toBe('needs-auth');
    const ended = await call('POST', `/mcp/servers/${name}/login/callback`, { ...at, callback_url: back });
    expect(mcpServerSchema.strict().parse(ended.body)).toMatchObject({
      id: name,
      status: 'connected',
      tools: ['read'],
    });
    const tools = [{ name: `mcp__${name}__read`, input: {} }];
    const sent = await client.request('streamSend', {
      sessionId: data.sessionId,
      prompt: scenario({ tools }, { text: 'Done.' }),
    });
    await client.waitFor(({ type, data: of }) => type === 'streamComplete' && of.promptId === sent.data.promptId);
    const result = client.frames.findLast(({ type }) => type === 'toolResult');
    expect(result?.data).toMatchObject({ success: true, result: expect.stringContaining('behind the login') });
  });
});

describe('bad input', () => {
  test.each<[string, string, object | undefined, number, string, string]>([
    ['GET', '/mcp/servers?scope=all', undefined, 400, 'INVALID_REQUEST', 'scope'],
    ['GET', '/mcp/servers?scope=project', undefined, 400, 'INVALID_REQUEST', 'project_id'],
    ['GET', '/mcp/servers?project_id=none', undefined, 404, 'PROJECT_NOT_FOUND', 'project_id'],
    ['POST', '/mcp/servers/working/toggle', { enabled: true }, 400, 'INVALID_REQUEST', 'session_id'],
    ['POST', '/mcp/servers/working/toggle', { session_id: 'x' }, 400, 'INVALID_REQUEST', 'enabled'],
    [
      'POST',
      '/mcp/servers/working/reconnect',
      { session_id: 'x', project_id: 'y' },
      400,
      'INVALID_REQUEST',
      'session_id',
    ],
    ['POST', '/mcp/servers/working/reconnect', { session_id: 'none' }, 404, 'SESSION_NOT_FOUND', 'sessionId'],
    [
      'POST',
      '/mcp/servers/x/login',
      { session_id: 'x', redirect_uri: 'file:///x' },
      400,
      'INVALID_REQUEST',
      'redirect_uri',
    ],
    ['POST', '/mcp/servers/x/login/callback', { session_id: 'x' }, 400, 'INVALID_REQUEST', 'callback_url'],
  ])('%s %s %j is refused', async (method, path, body, status, code, param) => {
    expect(await call(method, path, body)).toMatchObject(refused(status, code, param));
  });

  test('an unknown server, and a session without a CLI', async () => {
    const unknown = await call('POST', '/mcp/servers/none/toggle', { session_id: sessionId, enabled: true });
    expect(unknown).toMatchObject(refused(404, 'NOT_FOUND', 'id'));
    const folder = world.daemon.project();
    const id = `proj_${Buffer.from(folder).toString('base64url')}`;
    const none = await call('POST', '/mcp/servers/working/reconnect', { project_id: id });
    expect(none).toMatchObject(refused(409, 'CONFLICT', 'project_id'));
  });

  test('names of tools that are not there change nothing', async () => {
    const before = await call('GET', `/sessions/${sessionId}/tools`);
    for (const [body, param] of [
      [{ enabled_servers: ['working', 'none'] }, 'enabled_servers.1'],
      [{ enabled_servers: [], enabled_tools: ['working.none'] }, 'enabled_tools.0'],
      [{ enabled_tools: ['Bash'] }, 'enabled_tools.0'],
      [{ priority: 'Bash' }, 'priority'],
      [{ audit_log: 'yes' }, 'audit_log'],
    ] as const) {
      const answer = await call('POST', `/sessions/${sessionId}/tools`, body);
      expect(answer).toMatchObject(refused(400, 'INVALID_REQUEST', param));
    }
    expect(await call('GET', `/sessions/${sessionId}/tools`)).toEqual(before);
  });
});

describe('the tools of a session', () => {
  const choose = async (body: object): Promise<SessionToolsView> => {
    const answer = await call('POST', `/sessions/${sessionId}/tools`, body);
    expect(answer).toMatchObject({ status: 200, body: { session_id: sessionId } });
    return sessionToolsSchema.strict().parse(answer.body);
  };
  const enabledIn = ({ servers }: SessionToolsView) =>
    servers.flatMap(({ tools }) => tools.flatMap(({ full_name: name, enabled }) => (enabled ? [name] : [])));

  async function run(...steps: Parameters<typeof scenario>) {
    const from = client.frames.length;
    const { data } = await client.request('streamSend', { sessionId, prompt: scenario(...steps, { text: 'Done.' }) });
    await client.waitFor((frame) => frame.type === 'streamComplete' && frame.data.promptId === data.promptId);
    return client.frames.slice(from).filter(({ type }) => type === 'toolResult');
  }
  const die = (server: string) => ({ tools: [{ name: `mcp__${server}__die`, input: {} }] });
  const TOOLS = { enabled_servers: ['working', 'own'], enabled_tools: ['own.die', 'mcp__own__wait'] };

  test('are chosen for the running CLI', async () => {
    const chosen = await choose({ ...TOOLS, priority: ['own.die', 'Bash'], audit_log: true });
    expect(enabledIn(chosen)).toEqual(['mcp__own__wait', 'mcp__own__die']);
    expect(chosen).toMatchObject({
      enabled_tools: ['mcp__own__die', 'mcp__own__wait'],
      priority: ['mcp__own__die', 'Bash'],
      audit_log: true,
    });
    expect(chosen.servers.find(({ id }) => id === 'web')).toMatchObject({ enabled: false });
    const [denied] = await run(die('working'));
    expect(denied?.data).toMatchObject({ success: false });
    expect(String(denied?.data.error)).not.toContain('Connection closed');
    const [ran] = await run(die('own'));
    expect(ran?.data).toMatchObject({ success: false, error: expect.stringContaining('Connection closed') });
    const { messages } = world.api.requests.at(-1) ?? {};
    expect(JSON.stringify(messages)).toContain('prefer the first of these: mcp__own__die, Bash.');
  });

  test('and for those that come later, and are in the audit log', async () => {
    await world.daemon.restart('SIGKILL');
    client = await world.connect();
    await client.request('subscribe', { events: ['*'] });
    const [adopted] = await run(die('working'));
    expect(String(adopted?.data.error)).not.toContain('Connection closed');
    const { pid } = (await (await world.daemon.fetch(`/api/sessions/${sessionId}`)).json()) as { pid: number };
    process.kill(pid, 'SIGKILL');
    const [later] = await run(die('working'));
    expect(String(later?.data.error)).not.toContain('Connection closed');
    const folder = join(world.daemon.home, 'logs');
    const audit = readdirSync(folder).filter((name) => name.startsWith('audit'));
    const entries = audit.flatMap((name) => readFileSync(join(folder, name), 'utf8').trim().split('\n'));
    const calls = entries.filter((line) => line.includes('"action":"tool"'));
    expect(calls.length).toBeGreaterThanOrEqual(3);
    expect(calls.join('\n')).toContain('mcp__own__die');
  });

  test('are all there again', async () => {
    const all = await choose({ enabled_servers: ['working', 'own', 'web', 'failing', 'locked'], enabled_tools: null });
    expect(all.enabled_tools).toBeNull();
    const [ran] = await run(die('working'));
    expect(ran?.data).toMatchObject({ error: expect.stringContaining('Connection closed') });
  });
});
