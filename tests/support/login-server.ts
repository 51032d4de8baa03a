/**
 * An MCP server over HTTP that requires a login, and names the address for it: from the start, or only for its tool. Who
 * has logged in has its tool.
 */
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface LoginServer {
  url: string;
  /** What a person does on the page of the login: the address to which it leads then. */
  visit(page: string): string;
  close(): Promise<void>;
}

const RESOURCE = '/.well-known/oauth-protected-resource';

/** Whoever registers: 2.1.197 does so before it says that it needs a login. */
const CLIENT = { client_id: 'c', redirect_uris: ['http://localhost/callback'] };

/** The documents by their path. */
const documentsAt = (base: string): Record<string, object> => ({
  [RESOURCE]: { resource: `${base}/mcp`, authorization_servers: [base] },
  '/.well-known/oauth-authorization-server': {
    issuer: base,
    authorization_endpoint: `${base}/authorize`,
    token_endpoint: `${base}/token`,
    registration_endpoint: `${base}/register`,
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: ['none'],
  },
});

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** What it answers; undefined where it asks for a login. */
async function toolAnswer(request: IncomingMessage, isKnown: boolean): Promise<object | undefined> {
  const text = await bodyOf(request);
  if (request.method !== 'POST' || request.url !== '/mcp') return undefined;
  const { id = null, method, params } = JSON.parse(text) as Message;
  const tools = [{ name: 'read', description: 'Reads what is behind the login.', inputSchema: { type: 'object' } }];
  const { protocolVersion } = params ?? {};
  const initialized = { protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'login', version: '1.0.0' } };
  if (method === 'tools/call' && !isKnown) return undefined;
  const called = { content: [{ type: 'text', text: 'what is behind the login' }] };
  const result = { initialize: initialized, 'tools/list': { tools }, 'tools/call': called }[method] ?? {};
  return { jsonrpc: '2.0', id, result };
}

interface Message {
  id?: number;
  method: string;
  params?: { protocolVersion?: string };
}

/** The logins of OAuth: a code for each visit, which is worth a token once, to who has begun the login. */
class Logins {
  readonly #codes = new Map<string, { challenge: string; redirect: string }>();
  readonly #tokens = new Set<string>();

  visit(page: string): string {
    const { searchParams: asked } = new URL(page);
    const code = randomUUID();
    const redirect = asked.get('redirect_uri') ?? '';
    this.#codes.set(code, { challenge: asked.get('code_challenge') ?? '', redirect });
    const back = new URL(redirect);
    back.searchParams.set('code', code);
    back.searchParams.set('state', asked.get('state') ?? '');
    return back.href;
  }

  tokenFor(form: URLSearchParams): object | undefined {
    const code = form.get('code') ?? '';
    const login = this.#codes.get(code);
    this.#codes.delete(code);
    const verified = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    if (login?.challenge !== verified || login.redirect !== form.get('redirect_uri')) return undefined;
    const token = randomUUID();
    this.#tokens.add(token);
    return { access_token: token, token_type: 'Bearer', expires_in: 3600 };
  }

  knows(authorization = ''): boolean {
    return this.#tokens.has(authorization.replace('Bearer ', ''));
  }
}

interface Answer {
  status?: number;
  body?: object;
  headers?: Record<string, string>;
}

function tokenAnswer(logins: Logins, text: string): Answer {
  const token = logins.tokenFor(new URLSearchParams(text));
  return token ? { body: token } : { status: 400, body: { error: 'invalid_grant' } };
}

export async function startLoginServer({ opensWithout = false } = {}): Promise<LoginServer> {
  let base = '';
  const logins = new Logins();
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const { status = 200, body, headers } = await answerTo(request);
    request.resume();
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(body && JSON.stringify(body));
  };
  const answerTo = async (request: IncomingMessage): Promise<Answer> => {
    const { url = '' } = request;
    if (url === '/register') return { status: 201, body: { ...CLIENT, ...JSON.parse(await bodyOf(request)) } };
    if (url === '/token') return tokenAnswer(logins, await bodyOf(request));
    const document = documentsAt(base)[url];
    return document ? { body: document } : answerFor(logins.knows(request.headers.authorization), request);
  };
  const answerFor = async (isKnown: boolean, request: IncomingMessage): Promise<Answer> => {
    if (isKnown && request.method !== 'POST') return { status: 405 };
    const said = opensWithout || isKnown ? await toolAnswer(request, isKnown) : undefined;
    if (said) return { body: said };
    return { status: 401, headers: { 'www-authenticate': `Bearer resource_metadata="${base}${RESOURCE}"` } };
  };
  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `${base}/mcp`,
    visit: (page) => logins.visit(page),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
