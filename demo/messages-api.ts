/**
 * An HTTP server that implements enough of the Messages API for the real Claude CLI: `POST /v1/messages` streamed and
 * whole, and `count_tokens`. A script determines its answers, so the demo and the tests use the same CLI code paths
 * without an account or a network.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ApiContentBlock {
  type: string;
  text?: string;
  content?: unknown;
}

export interface ApiMessage {
  role: 'user' | 'assistant' | 'system';
  content: string | ApiContentBlock[];
}

export interface ApiRequest {
  model: string;
  messages: ApiMessage[];
  system?: unknown;
  tools?: { name: string }[];
  stream?: boolean;
}

/** One content block of a reply; `chunk` is in characters, `delayMs` is the pause between chunks; a tool call without an `id` gets a new one. */
export type ReplyBlock =
  | { kind: 'text' | 'thinking'; text: string; chunk?: number; delayMs?: number }
  | { kind: 'tool'; name: string; input: unknown; id?: unknown }
  /** Sent unchanged, in one piece. */
  | { kind: 'raw'; block: object };

/**
 * `breakAfter`: destroy the connection after that many deltas. `hold`: awaited before the first byte. `fields`: of the
 * message, overriding those of a regular API. `headers`: of the response, besides those of a regular API.
 */
export type Reply =
  | {
      kind: 'message';
      blocks: ReplyBlock[];
      fields?: Record<string, unknown>;
      hold?: Promise<void>;
      breakAfter?: number;
      onDelta?: (text: string) => Promise<void> | void;
      headers?: Record<string, string>;
    }
  | {
      kind: 'error';
      status: number;
      type: string;
      message: string;
      retryAfterSeconds?: number;
      headers?: Record<string, string>;
    };

export type Script = (request: ApiRequest) => Reply;

export interface MessagesApi {
  /** `http://127.0.0.1:<port>`, for `ANTHROPIC_BASE_URL`. */
  readonly url: string;
  close(): Promise<void>;
}

const DEFAULT_CHUNK = 24;
const USAGE = { input_tokens: 12, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 };

let nextId = 0;
const newId = (prefix: string) => `${prefix}_${process.pid.toString(36)}${(nextId++).toString(36).padStart(8, '0')}`;

export interface MessagesApiOptions {
  /** Used when it is free; otherwise, and by default, any free port. */
  preferredPort?: number;
}

/** Starts the server on a loopback port. */
export async function startMessagesApi(
  script: Script,
  { preferredPort = 0 }: MessagesApiOptions = {},
): Promise<MessagesApi> {
  const server = createServer((request, response) => {
    // The CLI tries again when its connection ends.
    handle({ request, response, script }).catch(() => response.destroy());
  });
  // The CLI may use a connection again just when the server ends an idle one.
  server.keepAliveTimeout = 0;
  // For any error of that port: if it has another cause, the next try reports it.
  await listen(server, preferredPort).catch(() => listen(server, 0));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const listen = (server: Server, port: number) =>
  new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });

interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  script: Script;
}

async function handle({ request, response, script }: Exchange): Promise<void> {
  const path = (request.url ?? '').split('?')[0];
  const body = await readJson(request);
  if (path === '/v1/messages/count_tokens') return sendJson(response, 200, { input_tokens: 12 });
  if (path !== '/v1/messages' || !isApiRequest(body)) {
    return sendJson(response, 404, errorBody('not_found_error', 'unknown path'));
  }
  const reply = script(body);
  for (const [name, value] of Object.entries(reply.headers ?? {})) response.setHeader(name, value);
  if (reply.kind === 'error') {
    if (reply.retryAfterSeconds !== undefined) response.setHeader('retry-after', String(reply.retryAfterSeconds));
    return sendJson(response, reply.status, errorBody(reply.type, reply.message));
  }
  await reply.hold;
  if (body.stream === true) return streamMessage({ response, model: body.model, reply });
  sendJson(response, 200, wholeMessage(body.model, reply));
}

const isApiRequest = (body: unknown): body is ApiRequest =>
  typeof body === 'object' && body !== null && Array.isArray((body as { messages?: unknown }).messages);

const errorBody = (type: string, message: string) => ({ type: 'error', error: { type, message } });

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    // Not from the CLI: it gets the answer to an empty request.
    return undefined;
  }
}

const stopReason = (blocks: ReplyBlock[]) => (blocks.some((block) => block.kind === 'tool') ? 'tool_use' : 'end_turn');

const outputTokens = (blocks: ReplyBlock[]) =>
  blocks.reduce((sum, block) => sum + Math.ceil(('text' in block ? block.text.length : 80) / 4), 0);

const toolId = ({ id = newId('toolu') }: { id?: unknown }) => id;

function wholeMessage(model: string, { blocks, fields }: Pick<MessageReply, 'blocks' | 'fields'>) {
  return {
    id: newId('msg'),
    type: 'message',
    role: 'assistant',
    model,
    content: blocks.map((block) => {
      if (block.kind === 'raw') return block.block;
      if (block.kind === 'tool') return { type: 'tool_use', id: toolId(block), name: block.name, input: block.input };
      if (block.kind === 'thinking') return { type: 'thinking', thinking: block.text, signature: 'c2lnbmF0dXJl' };
      return { type: 'text', text: block.text };
    }),
    stop_reason: stopReason(blocks),
    stop_sequence: null,
    usage: { ...USAGE, output_tokens: outputTokens(blocks) },
    ...fields,
  };
}

type MessageReply = Extract<Reply, { kind: 'message' }>;

interface Streaming {
  response: ServerResponse;
  model: string;
  reply: MessageReply;
}

async function streamMessage({ response, model, reply }: Streaming): Promise<void> {
  const send = (type: string, data: object) =>
    response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`);
  response.socket?.setNoDelay(true);
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  const message = {
    ...wholeMessage(model, { blocks: [] }),
    usage: { ...USAGE, output_tokens: 1 },
    ...reply.fields,
    stop_reason: null,
  };
  send('message_start', { message });
  let deltas = 0;
  for (const [index, block] of reply.blocks.entries()) {
    send('content_block_start', { index, content_block: emptyBlock(block) });
    for (const delta of deltasOf(block)) {
      if (response.destroyed) return;
      if (reply.breakAfter !== undefined && deltas >= reply.breakAfter) return void response.destroy();
      send('content_block_delta', { index, delta });
      deltas += 1;
      await reply.onDelta?.(textOf(delta));
      await pauseAfter(block);
    }
    send('content_block_stop', { index });
  }
  send('message_delta', endOf(reply));
  send('message_stop', {});
  response.end();
}

function endOf({ blocks, fields = {} }: MessageReply): object {
  const { stop_reason: reason = stopReason(blocks), stop_details: details, usage } = fields;
  return {
    delta: { stop_reason: reason, stop_sequence: null, ...(details !== undefined && { stop_details: details }) },
    usage: usage ?? { ...USAGE, output_tokens: outputTokens(blocks) },
  };
}

async function pauseAfter(block: ReplyBlock): Promise<void> {
  if ('delayMs' in block && block.delayMs) await pause(block.delayMs);
}

function emptyBlock(block: ReplyBlock): object {
  if (block.kind === 'raw') return block.block;
  if (block.kind === 'tool') return { type: 'tool_use', id: toolId(block), name: block.name, input: {} };
  if (block.kind === 'thinking') return { type: 'thinking', thinking: '', signature: '' };
  return { type: 'text', text: '' };
}

interface Delta {
  type: string;
  text?: string;
  thinking?: string;
  partial_json?: string;
  signature?: string;
}

const textOf = (delta: Delta) => delta.text ?? delta.thinking ?? delta.partial_json ?? '';

function* deltasOf(block: ReplyBlock): Generator<Delta> {
  if (block.kind === 'raw') return;
  if (block.kind === 'tool') {
    yield* pieces(JSON.stringify(block.input), 64, (part) => ({ type: 'input_json_delta', partial_json: part }));
    return;
  }
  const size = block.chunk ?? DEFAULT_CHUNK;
  if (block.kind === 'text') {
    yield* pieces(block.text, size, (text) => ({ type: 'text_delta', text }));
    return;
  }
  yield* pieces(block.text, size, (thinking) => ({ type: 'thinking_delta', thinking }));
  yield { type: 'signature_delta', signature: 'c2lnbmF0dXJl' };
}

function* pieces<T>(text: string, size: number, make: (part: string) => T): Generator<T> {
  const characters = Array.from(text);
  for (let at = 0; at < characters.length; at += size) yield make(characters.slice(at, at + size).join(''));
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
