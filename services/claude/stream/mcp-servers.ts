/** The MCP servers of a CLI. `mcp_authenticate` and `mcp_oauth_callback_url` are not in the typings of its SDK. */
import * as z from 'zod';
import { CompanionError } from '../../../protocol/error-codes.js';
import { plainLine } from '../../../protocol/plain-text.js';
import type { ChildQuestions, CliMcpServer, McpLogin } from '../../ports/claude.js';
import { keyword, lenient, lenientList, shownName } from './cli-lines.js';
import type { ControlChannel } from './control-channel.js';

const MAX_DESCRIPTION = 500;
const MAX_TOOLS = 1000;
const MAX_URL = 8192;
const described = z.string().transform((text) => plainLine(text, MAX_DESCRIPTION));

const toolSchema = z
  .object({
    name: shownName,
    description: lenient(described),
    annotations: lenient(z.object({ readOnly: lenient(z.boolean()) })),
  })
  .transform(({ name, description, annotations }) => ({
    name,
    ...(description && { description }),
    ...(annotations?.readOnly !== undefined && { readOnly: annotations.readOnly }),
  }));

const serverSchema = z
  .object({
    // It is named in requests to the CLI.
    name: z.string().min(1),
    status: keyword,
    scope: lenient(keyword),
    transport: lenient(keyword),
    config: lenient(z.object({ type: lenient(keyword) })),
    error: lenient(described),
    serverInfo: lenient(z.object({ name: lenient(shownName), version: lenient(shownName) })),
    tools: lenient(lenientList(toolSchema)),
  })
  .transform(({ name, status, scope, config, transport = config?.type, error, serverInfo: info = {}, tools = [] }) => ({
    name,
    status,
    ...(scope && { scope }),
    ...(transport && { transport }),
    ...(error && { error }),
    ...(info.name && { serverName: info.name }),
    ...(info.version && { serverVersion: info.version }),
    tools: tools.slice(0, MAX_TOOLS),
  }));

const statusSchema = z.object({ mcpServers: lenientList(serverSchema) });

export async function readServers(control: ControlChannel): Promise<CliMcpServer[]> {
  const parsed = statusSchema.safeParse(await control.ask({ subtype: 'mcp_status' }));
  return parsed.success ? parsed.data.mcpServers : [];
}

const loginSchema = z.object({ authUrl: lenient(z.url({ protocol: /^https?$/ }).max(MAX_URL)) });

export async function startLogin(
  control: ControlChannel,
  { serverName, redirectUri }: { serverName: string; redirectUri: string | undefined },
): Promise<McpLogin> {
  const asked = { subtype: 'mcp_authenticate', serverName, ...(redirectUri !== undefined && { redirectUri }) };
  const { authUrl } = loginSchema
    .catch({ authUrl: undefined })
    .parse(await control.ask(asked, { withinMs: CONNECT_MS }));
  return authUrl === undefined ? {} : { url: authUrl };
}

/** The CLI gives up a connection after 30 s, unless MCP_TIMEOUT says otherwise. */
const CONNECT_MS = 35_000;

/** Connects again, or switches on or off: that a server cannot be connected to is its status from then on. */
export async function connect(
  control: ControlChannel,
  request: { subtype: 'mcp_reconnect' | 'mcp_toggle'; serverName: string; enabled?: boolean },
): Promise<void> {
  try {
    await control.request(request, { withinMs: CONNECT_MS });
  } catch (error) {
    // The CLI refuses with the failure of the connection, after it has done what was asked (2.1.332).
    if (!(error instanceof CompanionError && error.code === 'INVALID_REQUEST')) throw error;
  }
}

const LOOK_MS = 50;

/** Its servers, once none is connecting, or this many milliseconds later. */
export async function settledServers(questions: Pick<ChildQuestions, 'mcpServers'>, withinMs: number) {
  const deadline = performance.now() + withinMs;
  let servers = await questions.mcpServers();
  while (servers.some(({ status }) => status === 'pending') && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    servers = await questions.mcpServers();
  }
  return servers;
}
