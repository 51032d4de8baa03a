/** A program that takes webhooks: HTTPS on loopback, which can answer whatever a test wants. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { createCertificate } from './certificate.js';

export interface Received {
  path: string;
  headers: Record<string, string>;
  body: string;
}

type Answer = (response: ServerResponse, request: IncomingMessage) => void;

export interface WebhookServer {
  /** PEM: what a client has to trust. */
  readonly ca: string;
  readonly url: string;
  /** Whatever they were answered. */
  readonly received: Received[];
  /** Taken so far. */
  readonly connections: number;
  /** How the next requests are answered. Default: 204. */
  answer(how: Answer): void;
  close(): Promise<void>;
}

export interface WebhookServerOptions {
  certificate?: ReturnType<typeof createCertificate>;
  port?: number;
}

export async function startWebhookServer({
  certificate: pair = createCertificate(['127.0.0.1']),
  port: wanted = 0,
}: WebhookServerOptions = {}): Promise<WebhookServer> {
  const received: Received[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  let how: Answer = (response) => response.writeHead(204).end();
  const server = createServer({ cert: pair.certificate, key: pair.key }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.once('end', () => {
      const headers = request.headers as Record<string, string>;
      received.push({ path: request.url ?? '', headers, body: Buffer.concat(chunks).toString() });
      how(response, request);
    });
  });
  server.on('connection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => {
      // The other side may end whenever it wants.
    });
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(wanted, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    ca: pair.certificate,
    url: `https://127.0.0.1:${port}/in`,
    received,
    get connections() {
      return connections;
    },
    answer: (next) => {
      how = next;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

export interface Told {
  type: string;
  timestamp: string;
  data: Record<string, unknown>;
}

/** What a message says, by the library that its users have. Throws where no signature is of this secret. */
export const verified = (secret: string, { body, headers }: Received): Told =>
  new Webhook(secret).verify(body, headers) as Told;
