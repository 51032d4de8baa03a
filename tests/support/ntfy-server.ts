/** An ntfy server on loopback, as far as a publisher can tell (docs.ntfy.sh/publish). */
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as z from 'zod';

const messageSchema = z.strictObject({
  topic: z.string().regex(/^[-_A-Za-z0-9]{1,64}$/),
  title: z.string(),
  message: z.string(),
  priority: z.int().min(1).max(5),
  sequence_id: z.string().regex(/^[-_A-Za-z0-9]{1,64}$/),
  click: z.string().optional(),
  actions: z
    .array(
      z.strictObject({
        action: z.literal('http'),
        label: z.string(),
        url: z.string(),
        method: z.literal('POST'),
        headers: z.record(z.string(), z.string()),
        body: z.string(),
        clear: z.boolean(),
      }),
    )
    .max(3)
    .optional(),
});

export type NtfyMessage = z.infer<typeof messageSchema>;

export interface NtfyRequest {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  /** Undefined for a withdrawal. */
  message: NtfyMessage | undefined;
}

export interface NtfyServer {
  readonly url: string;
  readonly requests: NtfyRequest[];
  /** Messages of a topic, oldest first. */
  messages(topic: string): NtfyMessage[];
  /** What the next requests are answered with; 200 when there is nothing. `hang`: nothing at all. */
  readonly answers: (number | 'hang')[];
  close(): Promise<void>;
}

export async function startNtfyServer(): Promise<NtfyServer> {
  const requests: NtfyRequest[] = [];
  const answers: (number | 'hang')[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const { method = '', url: path = '', headers } = request;
      const message = method === 'POST' ? messageSchema.parse(JSON.parse(text)) : undefined;
      requests.push({ method, path, headers, message });
      const answer = answers.shift() ?? 200;
      if (answer === 'hang') return;
      response.writeHead(answer, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answers,
    messages: (topic) => requests.flatMap(({ message }) => (message?.topic === topic ? [message] : [])),
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
