import { invalid } from '../../protocol/error-codes.js';
import { sendAll } from '../http/bodies.js';
import { loadSdk, type McpSdk } from './load-sdk.js';
import type { McpContext } from './mcp-context.js';
import { createMcpServer } from './mcp-server.js';

const JSON_TYPE = 'application/json';
const STREAM_TYPE = 'text/event-stream';
/** Only its headers are read. */
const ADDRESS = 'http://daemon/mcp';

/** Answers a request: a call of a tool by events where the client takes those, everything else as JSON. */
export async function answerMessage(context: McpContext): Promise<void> {
  const { response, message, cancelled } = context;
  const sdk = await loadSdk();
  const version = requireVersion(sdk, response.req.headers['mcp-protocol-version']);
  if (!sdk.JSONRPCMessageSchema.safeParse(message).success) throw invalid('body', 'must be a message of MCP');
  const isStream = message.method === 'tools/call' && takesEvents(response.req.headers.accept);
  const server = createMcpServer(sdk, context);
  const transport = new sdk.Transport({ enableJsonResponse: !isStream });
  // It is of one message; the requests in it have ended or are of no interest then.
  response.once('close', () => void server.close());
  await server.connect(transport);
  const headers = { accept: `${JSON_TYPE}, ${STREAM_TYPE}`, 'content-type': JSON_TYPE, ...version };
  const request = new Request(ADDRESS, { method: 'POST', headers });
  const answered = transport.handleRequest(request, { parsedBody: message });
  const answer = await Promise.race([answered, whenCancelled(cancelled)]);
  // A cancelled request gets no answer of the protocol.
  if (!answer) return void response.status(202).end();
  if (!isStream || !answer.body) return void response.status(answer.status).json(await answer.json());
  cancelled.addEventListener('abort', () => void server.close(), { once: true });
  response.status(answer.status).set(Object.fromEntries(answer.headers));
  response.flushHeaders();
  await sendAll(response, answer.body);
}

/** A client that takes anything gets JSON. */
const takesEvents = (accept = ''): boolean => accept.toLowerCase().includes(STREAM_TYPE);

function requireVersion(sdk: McpSdk, given: string | string[] | undefined): Record<string, string> {
  if (given === undefined) return {};
  if (typeof given === 'string' && sdk.SUPPORTED_PROTOCOL_VERSIONS.includes(given)) {
    return { 'mcp-protocol-version': given };
  }
  throw invalid('MCP-Protocol-Version', `must be one of ${sdk.SUPPORTED_PROTOCOL_VERSIONS.join(', ')}`);
}

const whenCancelled = (signal: AbortSignal): Promise<undefined> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined), { once: true }));
