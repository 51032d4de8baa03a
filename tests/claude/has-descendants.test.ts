/** What a child says of what its tools have started, and how it ends: the real CLI, held without a daemon. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { SessionId } from '../../protocol/scalars.js';
import { CliStatus } from '../../services/claude/cli/cli-status.js';
import { createClaudeLaunchers } from '../../services/claude/cli-launcher.js';
import { listProcesses } from '../../services/claude/process/process-table.js';
import type { ClaudeChild, CliFact } from '../../services/ports/claude.js';
import type { PermissionAsk, UserId } from '../../services/ports/records.js';
import { endChildrenOf, environmentIn, makeFolders } from '../support/daemon.js';
import { type ScriptedApi, scenario, startScriptedApi } from '../support/scripted-api.js';
import { isAlive, waitUntil } from '../support/wait-until.js';

/** Speaks as much MCP as the CLI needs to keep it. */
const MCP_SERVER = `
process.stdin.on('data', (data) => {
  for (const line of String(data).split('\\n').filter(Boolean)) {
    const { id, method, params } = JSON.parse(line);
    if (id === undefined) continue;
    const serverInfo = { name: 'still', version: '1' };
    const hello = { protocolVersion: params?.protocolVersion, capabilities: { tools: {} }, serverInfo };
    const result = method === 'initialize' ? hello : { tools: [] };
    process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result }) + '\\n');
  }
});
`;

const folders = makeFolders();
const { base, home, root } = folders;
const run = join(home, 'run');
let api: ScriptedApi;
let child: ClaudeChild;
let facts: CliFact[];

beforeAll(async () => {
  api = await startScriptedApi();
  mkdirSync(run, { recursive: true });
  mkdirSync(join(base, 'home/.claude'), { recursive: true });
  writeFileSync(join(base, 'home/.claude/settings.json'), '{"enableAllProjectMcpServers":true}');
  writeFileSync(join(base, 'still.mjs'), MCP_SERVER);
  const still = { command: process.execPath, args: [join(base, 'still.mjs')] };
  writeFileSync(join(root, '.mcp.json'), JSON.stringify({ mcpServers: { still } }));
});
afterEach(() => child.end({ insist: true }));
afterAll(async () => {
  await api.close();
  const left = endChildrenOf(home);
  rmSync(base, { recursive: true, force: true });
  expect(left).toEqual([]);
});

async function start(sessionId: string): Promise<void> {
  const environment = environmentIn(folders, api.url);
  const configuredPath = process.env.TEST_CLAUDE_PATH;
  const status = new CliStatus({
    environment,
    versionFile: '/dev/null/none',
    ...(configuredPath !== undefined && { configuredPath }),
  });
  const defaults = { allowedTools: ['Bash'], disallowedTools: [], allowBypass: false, home };
  const launchers = createClaudeLaunchers({ status, environmentOf: () => environment, defaults, runFolder: run });
  facts = [];
  const listener = {
    isTaken: () => false,
    onLines: async (lines: { facts: CliFact[] }[]) => {
      const said = lines.flatMap((line) => line.facts);
      for (const fact of said) if (fact.kind === 'permissionAsked') allow(fact.ask);
      facts.push(...said);
    },
    onTrouble: () => {},
    onExit: () => {},
  };
  const place = { sessionId: sessionId as SessionId, workingDirectory: root };
  child = await launchers.of('owner' as UserId).start({ ...place, listener, allowedTools: [], addDirectories: [] });
}

const allow = ({ requestId, input }: PermissionAsk) =>
  child.answerPermission(requestId, { behavior: 'allow', updatedInput: input });

async function runTool(command: string, more: object = {}): Promise<void> {
  const tool = { name: 'Bash', input: { command, description: 'x', ...more } };
  const text = scenario({ tools: [tool] }, { text: 'Done.' });
  child.sendMessage({ uuid: crypto.randomUUID(), content: [{ type: 'text', text }] });
  await waitUntil('the turn has ended', () => facts.some(({ kind }) => kind === 'result'));
}

/** What the CLI itself has started: it is in its own group. */
const serversOfChild = async () =>
  (await listProcesses()).filter(({ pid, group }) => group === child.pid && pid !== child.pid);

test('H3: servers of the CLI do not count; the end of a child that has taken its files with it leaves no folder', async () => {
  await start('servers');
  await runTool('echo hi');
  await waitUntil('the server runs', async () => (await serversOfChild()).length > 0);
  expect(await child.hasDescendants()).toBe(false);
  await child.end();
  expect(readdirSync(run)).toContain('servers');
  await child.removeFiles();
  expect(readdirSync(run)).not.toContain('servers');
});

test.each([
  ['is left behind by a tool', 'echo q; sleep 4711 & echo hi', {}],
  ['is left behind without its marker', 'echo q; env -i setsid sleep 4712 & echo hi', {}],
  ['is a task in the background', 'until [ -e never ]; do sleep 0.1; done', { run_in_background: true }],
])('H3: what %s is a descendant, and is gone after the end', async (what, command, more) => {
  await start(what.replaceAll(' ', '-'));
  expect(await child.hasDescendants()).toBe(false);
  await runTool(command, more);
  expect(await child.hasDescendants()).toBe(true);
  await child.end();
  expect(isAlive(child.pid)).toBe(false);
  expect(await child.hasDescendants()).toBe(false);
});

test('H3: a child that is stopped ends without being asked', async () => {
  await start('stopped');
  await runTool('echo hi');
  process.kill(child.pid, 'SIGSTOP');
  await child.end({ insist: true });
  expect(isAlive(child.pid)).toBe(false);
});
