/**
 * An MCP server over HTTP with two tools: `ask` elicits what it is given on the stream of the call, and tells what it
 * heard; `wait` never ends. At `/silent` it answers nothing, at `/broken` with an error.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Message {
  id?: string | number;
  method?: string;
  params?: { protocolVersion?: string; name?: string; arguments?: { params: object } };
  result?: unknown;
}

export interface HttpMcpServer {
  /** Without a path. */
  base: string;
  url: string;
  /** How many calls of `wait` it has. */
  waits(): number;
  close(): Promise<void>;
}

interface Calls {
  asks: Map<string | number, { id: string | number; stream: ServerResponse }>;
  waits: number;
}

export async function startHttpMcpServer(): Promise<HttpMcpServer> {
  const calls: Calls = { asks: new Map(), waits: 0 };
  const server = createServer((request, response) => void answer(request, response, calls));
  // The CLI may use a connection again just when the server ends an idle one.
  server.keepAliveTimeout = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    base,
    url: `${base}/mcp`,
    waits: () => calls.waits,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const push = (stream: ServerResponse, message: object) =>
  stream.write(`event: message\ndata: ${JSON.stringify({ jsonrpc: '2.0', ...message })}\n\n`);

async function answer(request: IncomingMessage, response: ServerResponse, calls: Calls): Promise<void> {
  if (request.url === '/silent') return;
  if (request.method !== 'POST' || request.url === '/broken') {
    response.writeHead(request.method === 'POST' ? 500 : 405).end();
    return;
  }
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const message = JSON.parse(Buffer.concat(chunks).toString()) as Message;
  const { id, method } = message;
  const asked = id === undefined ? undefined : calls.asks.get(id);
  if (asked) {
    push(asked.stream, { id: asked.id, result: { content: [{ type: 'text', text: JSON.stringify(message.result) }] } });
    asked.stream.end();
    response.writeHead(202).end();
  } else if (id === undefined) response.writeHead(202).end();
  else if (method === 'tools/call') call({ ...message, id }, response, calls);
  else response.setHeader('content-type', 'application/json').end(JSON.stringify(answerTo({ ...message, id })));
}

function call({ id, params }: Message & { id: string | number }, response: ServerResponse, calls: Calls): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.flushHeaders();
  if (params?.name === 'wait') {
    calls.waits += 1;
    return;
  }
  calls.asks.set(`ask-${id}`, { id, stream: response });
  push(response, { id: `ask-${id}`, method: 'elicitation/create', params: params?.arguments?.params });
}

function answerTo({ id, method, params }: Message): object {
  const found = method === 'initialize' ? initialized(params?.protocolVersion) : TOOLS;
  return { jsonrpc: '2.0', id, result: method === 'ping' ? {} : found };
}

const initialized = (protocolVersion: string | undefined) => ({
  protocolVersion,
  capabilities: { tools: {} },
  serverInfo: { name: 'pages', version: '1.0.0' },
});

const TOOLS = {
  tools: [
    {
      name: 'ask',
      description: 'Asks the person.',
      inputSchema: { type: 'object', properties: { params: { type: 'object' } } },
    },
    { name: 'wait', description: 'Never ends.', inputSchema: { type: 'object' } },
  ],
};
