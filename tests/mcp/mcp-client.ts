import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { TOKEN } from '../support/daemon.js';
import type { World } from '../support/world.js';

export interface ConnectMcp {
  token?: string;
  /** With its question mark. */
  query?: string;
  headers?: Record<string, string>;
}

/** The SDK's own client, connected. */
export async function connectMcp(
  { daemon }: Pick<World, 'daemon'>,
  { token = TOKEN, query = '', headers = {} }: ConnectMcp = {},
): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' });
  const requestInit = { headers: { authorization: `Bearer ${token}`, ...headers } };
  const transport = new StreamableHTTPClientTransport(new URL(`${daemon.url}/mcp${query}`), { requestInit });
  // Its types know no `undefined` in optional fields, as ours do.
  await client.connect(transport as Parameters<Client['connect']>[0]);
  return client;
}

interface Called {
  isError: boolean;
  text: string;
  data: Record<string, unknown>;
}

export type CallOptions = Parameters<Client['callTool']>[2];

/** Calls a tool, whose answer the client checks with its schema. */
export async function callTool(
  client: Client,
  { name, args = {}, options }: { name: string; args?: object; options?: CallOptions },
): Promise<Called> {
  const call = { name, arguments: { ...args } };
  const result = (await client.callTool(call, undefined, options)) as CallToolResult;
  const [content] = result.content;
  const text = content?.type === 'text' ? content.text : '';
  return { isError: result.isError ?? false, text, data: result.structuredContent ?? {} };
}
