/** MCP servers: those of a directory, and which of their tools a session has. */
import { CompanionError, invalid } from '../../protocol/error-codes.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { ChildQuestions, CliMcpServer, McpLogin } from '../ports/claude.js';
import type { ToolChoice } from '../ports/records.js';
import type { Session } from '../sessions/session.js';
import { type Caller, type CommandServices, type NamedDirectory, sessionOf } from './command-context.js';

/** Where a server is configured: for the person, or for the directory. */
export type McpScope = 'user' | 'project';

const OF_DIRECTORY = new Set(['project', 'local']);
export const scopeOf = ({ scope = 'user' }: CliMcpServer): McpScope => (OF_DIRECTORY.has(scope) ? 'project' : 'user');

interface OfDirectory {
  caller: Caller;
  directory?: NamedDirectory | undefined;
}

/**
 * The servers of a directory; without one those of the person. A running CLI is asked; without one a CLI is started for
 * it. Rejects as `resolveDirectory` and `ClaudeOutside.mcpServers` do.
 */
export async function listServers(
  services: CommandServices,
  { scope, ...of }: OfDirectory & { scope?: McpScope | undefined },
): Promise<CliMcpServer[]> {
  const servers = await serversOf(services, of);
  const wanted = scope ?? (of.directory ? undefined : 'user');
  return servers.filter((server) => wanted === undefined || scopeOf(server) === wanted);
}

async function serversOf(services: CommandServices, { caller, directory }: OfDirectory): Promise<CliMcpServer[]> {
  const { registry, workspace, askRunner } = services;
  const { userId } = caller.device;
  const path = directory && (await workspace.resolveDirectory(directory.path, directory)).path;
  const running = registry
    .owned(userId)
    .find(({ canAsk, state }) => canAsk && (path === undefined || state.record.directory === path));
  if (running) return (await running.runningChild()).questions.mcpServers();
  return askRunner.mcpServers(userId, path);
}

/** One of them. Rejects with `NOT_FOUND` as well. */
export async function findServer(
  services: CommandServices,
  { server, ...of }: OfDirectory & { server: string },
): Promise<CliMcpServer> {
  return requireServer(await serversOf(services, of), server);
}

function requireServer(servers: readonly CliMcpServer[], name: string): CliMcpServer {
  const found = servers.find((server) => server.name === name);
  if (found) return found;
  throw new CompanionError('NOT_FOUND', 'The Claude CLI knows no such MCP server.', { field: 'id' });
}

/** The session itself, or its directory. */
export type SessionPlace = SessionId | NamedDirectory;

interface OfServer {
  caller: Caller;
  at: SessionPlace;
  server: string;
}

/** Rejects with `CONFLICT` when the directory has no session. */
async function sessionAt(services: CommandServices, { caller, at }: Omit<OfServer, 'server'>): Promise<Session> {
  if (typeof at === 'string') return sessionOf(services, caller, at);
  const { path } = await services.workspace.resolveDirectory(at.path, at);
  const found = services.registry.owned(caller.device.userId).find(({ state }) => state.record.directory === path);
  if (found) return found;
  const rule = 'must be a project with a session whose Claude CLI runs';
  throw new CompanionError('CONFLICT', `${at.field}: ${rule}`, {
    field: at.field,
    rule,
    suggestion: 'Open its session.',
  });
}

/** Rejects with `CONFLICT` without a running CLI, and with `NOT_FOUND`. */
async function questionsAbout(services: CommandServices, of: OfServer): Promise<ChildQuestions> {
  const { questions } = await (await sessionAt(services, of)).runningChild();
  requireServer(await questions.mcpServers(), of.server);
  return questions;
}

const afterwards = async (questions: ChildQuestions, server: string): Promise<CliMcpServer> =>
  requireServer(await settledServers(questions), server);

/** Switches a server on or off, which the CLI remembers for the directory. Resolves with the server as it is then. */
export async function toggleServer(
  services: CommandServices,
  { enabled, ...of }: OfServer & { enabled: boolean },
): Promise<CliMcpServer> {
  const questions = await questionsAbout(services, of);
  await questions.toggleMcpServer(of.server, enabled);
  return afterwards(questions, of.server);
}

/** Connects again. Resolves with the server as it is then: one that cannot be connected to is `failed`. */
export async function reconnectServer(services: CommandServices, of: OfServer): Promise<CliMcpServer> {
  const questions = await questionsAbout(services, of);
  await questions.reconnectMcpServer(of.server);
  return afterwards(questions, of.server);
}

/** Begins a login, which ends when the person has been on the page. */
export async function loginToServer(
  services: CommandServices,
  { redirectUri, ...of }: OfServer & { redirectUri: string | undefined },
): Promise<McpLogin> {
  const questions = await questionsAbout(services, of);
  return questions.loginToMcpServer(of.server, redirectUri);
}

/** Ends a login with the address to which its page has led, and connects. Rejects for an address of another login. */
export async function finishLogin(
  services: CommandServices,
  { callbackUrl, ...of }: OfServer & { callbackUrl: string },
): Promise<CliMcpServer> {
  const questions = await questionsAbout(services, of);
  await questions.finishMcpLogin(of.server, callbackUrl);
  // After a login that ends in this way the CLI does not connect by itself (2.1.332).
  await questions.reconnectMcpServer(of.server);
  return afterwards(questions, of.server);
}

const SETTLED_MS = 10_000;
const LOOK_MS = 50;

/** The servers once none is connecting, or 10 s later. */
async function settledServers(questions: ChildQuestions): Promise<CliMcpServer[]> {
  const deadline = performance.now() + SETTLED_MS;
  let servers = await questions.mcpServers();
  while (servers.some(({ status }) => status === 'pending') && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    servers = await questions.mcpServers();
  }
  return servers;
}

const plain = (name: string): string => name.replaceAll(/[^\w-]/g, '_');

/** The name of a tool as Claude and permission rules know it. */
export const fullToolName = (server: string, tool: string): string => `mcp__${plain(server)}__${plain(tool)}`;

export interface SessionTools {
  session: Session;
  servers: CliMcpServer[];
  choice: ToolChoice;
}

/** Rejects with `CONFLICT` without a running CLI. */
export async function readSessionTools(
  services: CommandServices,
  { caller, sessionId }: { caller: Caller; sessionId: SessionId },
): Promise<SessionTools> {
  const session = sessionOf(services, caller, sessionId);
  const { questions } = await session.runningChild();
  return { session, servers: await questions.mcpServers(), choice: session.state.record.toolChoice ?? {} };
}

/** What is absent stays as it is; null takes a choice back. */
export interface WantedTools {
  enabledServers?: readonly string[] | undefined;
  enabledTools?: readonly string[] | null | undefined;
  priority?: readonly string[] | null | undefined;
  isAudited?: boolean | undefined;
}

/**
 * Chooses servers and tools of a session, for its running CLI and for later ones. Rejects with `INVALID_REQUEST` for a
 * name that is not there, and with `CONFLICT` without a running CLI; nothing has changed then.
 */
export async function chooseSessionTools(
  services: CommandServices,
  { caller, sessionId, ...wanted }: WantedTools & { caller: Caller; sessionId: SessionId },
): Promise<SessionTools> {
  const session = sessionOf(services, caller, sessionId);
  const { questions } = await session.runningChild();
  const before = await questions.mcpServers();
  requireServers(before, wanted.enabledServers);
  const enabledTools = wanted.enabledTools?.map((name, at) => resolved(before, { name, field: `enabled_tools.${at}` }));
  const priority = wanted.priority?.map((name) => shortened(before, name) ?? name);
  await toggleEach(questions, before, wanted.enabledServers);
  const servers = await settledServers(questions);
  const choice = chosen(session.state.record.toolChoice ?? {}, {
    ...wanted,
    enabledTools: enabledTools ?? wanted.enabledTools,
    priority: priority ?? wanted.priority,
  });
  await session.amend({ toolChoice: choice, deniedTools: deniedBy(choice, servers) });
  return { session, servers, choice };
}

function requireServers(servers: readonly CliMcpServer[], wanted: readonly string[] = []): void {
  for (const [at, name] of wanted.entries()) {
    if (!servers.some((server) => server.name === name)) {
      throw invalid(`enabled_servers.${at}`, 'must be an MCP server of the session');
    }
  }
}

async function toggleEach(
  questions: ChildQuestions,
  servers: readonly CliMcpServer[],
  wanted: readonly string[] | undefined,
): Promise<void> {
  if (!wanted) return;
  for (const { name, status } of servers) {
    const isWanted = wanted.includes(name);
    if (isWanted !== (status !== 'disabled')) await questions.toggleMcpServer(name, isWanted);
  }
}

/** The full name of a tool that is called by it, or as `server.tool`; undefined for a tool of no server. */
function shortened(servers: readonly CliMcpServer[], name: string): string | undefined {
  for (const server of servers) {
    const prefix = [`${server.name}.`, fullToolName(server.name, '')].find((one) => name.startsWith(one));
    const tool = prefix === undefined ? '' : name.slice(prefix.length);
    const isKnown = server.status !== 'connected' || server.tools.some((one) => plain(one.name) === plain(tool));
    if (tool !== '' && isKnown) return fullToolName(server.name, tool);
  }
  return undefined;
}

function resolved(servers: readonly CliMcpServer[], { name, field }: { name: string; field: string }): string {
  const full = shortened(servers, name);
  if (full !== undefined) return full;
  throw invalid(field, 'must be a tool of an MCP server of the session, as server.tool or by its full name');
}

function chosen(before: ToolChoice, { enabledTools, priority, isAudited }: WantedTools): ToolChoice {
  const { enabledTools: toolsBefore, priority: priorityBefore, isAudited: auditedBefore } = before;
  const tools = enabledTools === undefined ? toolsBefore : enabledTools;
  const order = priority === undefined ? priorityBefore : priority;
  return {
    ...(tools && { enabledTools: tools }),
    ...(order && { priority: order }),
    ...((isAudited ?? auditedBefore) && { isAudited: true }),
  };
}

/** The tools that are left out; a server of which nothing is enabled is left out as a whole. */
function deniedBy({ enabledTools }: ToolChoice, servers: readonly CliMcpServer[]): string[] {
  if (!enabledTools) return [];
  return servers.flatMap(({ name, tools }) => {
    if (!enabledTools.some((tool) => tool.startsWith(fullToolName(name, '')))) return [`mcp__${plain(name)}`];
    return tools.map((tool) => fullToolName(name, tool.name)).filter((tool) => !enabledTools.includes(tool));
  });
}
