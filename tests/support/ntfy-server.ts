/** An ntfy server on loopback: it takes what docs.ntfy.sh/publish describes, and refuses the rest. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface NtfyRequest {
  method: string;
  path: string;
  authorization: string | undefined;
  body: Record<string, unknown> | undefined;
  bytes: number;
}

export type NtfyAnswer = { status: number; retryAfter?: string } | 'hang' | 'drop';

export interface NtfyServer {
  readonly url: string;
  readonly requests: NtfyRequest[];
  /** Without it every request is answered 401. */
  requireToken(token: string): void;
  answer(how: () => NtfyAnswer): void;
  close(): Promise<void>;
}

const MAX_MESSAGE_BYTES = 4096;
const MAX_ACTIONS = 3;

/** `path`: where it serves, such as `/ntfy`. */
export async function startNtfyServer(path = ''): Promise<NtfyServer> {
  const requests: NtfyRequest[] = [];
  const sockets = new Set<Socket>();
  let token: string | undefined;
  let how: () => NtfyAnswer = () => ({ status: 200 });
  const take = (request: IncomingMessage, text: string): NtfyAnswer => {
    const { authorization } = request.headers;
    const taken: NtfyRequest = {
      method: String(request.method),
      path: String(request.url),
      authorization,
      body: text === '' ? undefined : (JSON.parse(text) as Record<string, unknown>),
      bytes: Buffer.byteLength(text),
    };
    requests.push(taken);
    if (token !== undefined && authorization !== `Bearer ${token}`) return { status: 401 };
    const refused = refusalOf(taken, path);
    return refused === undefined ? how() : { status: refused };
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.once('end', () => reply(response, take(request, Buffer.concat(chunks).toString())));
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`,
    requests,
    requireToken: (required) => {
      token = required;
    },
    answer: (next) => {
      how = next;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function reply(response: ServerResponse, answer: NtfyAnswer): void {
  if (answer === 'hang') return;
  if (answer === 'drop') {
    response.socket?.destroy();
    return;
  }
  const { status, retryAfter } = answer;
  response.writeHead(status, retryAfter === undefined ? {} : { 'retry-after': retryAfter }).end('{}');
}

function refusalOf({ method, path, body, bytes }: NtfyRequest, base: string): number | undefined {
  if (!path.startsWith(`${base}/`)) return 404;
  const rest = path.slice(base.length);
  if (method === 'DELETE') return /^\/[-_A-Za-z0-9]{1,64}\/[-_A-Za-z0-9]{1,64}$/.test(rest) ? undefined : 400;
  if (method !== 'POST' || rest !== '/' || body === undefined) return 400;
  if (bytes > 2 * MAX_MESSAGE_BYTES || Buffer.byteLength(String(body.message)) > MAX_MESSAGE_BYTES) return 413;
  const actions = (body.actions ?? []) as unknown[];
  const isFine = /^[-_A-Za-z0-9]{1,64}$/.test(String(body.topic)) && actions.length <= MAX_ACTIONS;
  return isFine && Number(body.priority) >= 1 && Number(body.priority) <= 5 ? undefined : 400;
}
