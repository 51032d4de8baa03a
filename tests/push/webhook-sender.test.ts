/** One attempt to send to a program that hangs, redirects or lies. */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { PushReach, type PushReachOptions } from '../../services/push/web/push-reach.js';
import { type WebhookAnswer, WebhookSender } from '../../services/push/webhooks/webhook-sender.js';
import { waitUntil } from '../support/wait-until.js';
import { startWebhookServer, type WebhookServer } from '../support/webhook-server.js';

/** Of those that have to pass. */
const SHORT_MS = 300;
const LONG_MS = 30_000;
const headers = { 'webhook-id': 'msg_1' };
const body = JSON.stringify({ type: 'test', text: 'ü' });

let server: WebhookServer;
let senders: WebhookSender[];
let raws: { server: Server; sockets: Set<Socket> }[];

beforeEach(async () => {
  server = await startWebhookServer();
  senders = [];
  raws = [];
});
afterEach(async () => {
  for (const sender of senders) sender.close();
  for (const { server: raw, sockets } of raws) {
    raw.close();
    for (const socket of sockets) socket.destroy();
  }
  await server.close();
});

function open(reach: PushReachOptions = { allowPrivate: true }, timeoutMs = LONG_MS) {
  const sender = new WebhookSender({ reach: new PushReach(reach), ca: server.ca, userAgent: 'test', timeoutMs });
  senders.push(sender);
  return sender;
}

/** A server without HTTP, for what no HTTP server would do. */
async function raw(onRequest: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const listening = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    socket.once('close', () => sockets.delete(socket));
    socket.once('data', () => onRequest(socket));
  });
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  raws.push({ server: listening, sockets });
  return { url: `http://127.0.0.1:${(listening.address() as AddressInfo).port}/`, sockets };
}

const hurried = () => open({ allowPrivate: true }, SHORT_MS);
const post = (url: string, sender = open()) => sender.post({ url, headers, body });
const head = (status: string, rest = '') => `HTTP/1.1 ${status}\r\n${rest}\r\n`;
const answered = (status: number): Partial<WebhookAnswer> => ({ kind: 'answered', status });
const failed = (failure: string) => ({ kind: 'failed', failure });

describe('a message', () => {
  test('arrives with its headers and bytes, on a connection of its own', async () => {
    const sender = open();
    server.answer((response) => response.writeHead(200).end('ok'));
    expect(await post(server.url, sender)).toEqual({ kind: 'answered', status: 200, retryAfter: undefined });
    expect(await post(server.url, sender)).toMatchObject(answered(200));
    expect(server.connections).toBe(2);
    const [received] = server.received;
    expect(received?.body).toBe(body);
    expect(received?.headers).toMatchObject({ ...headers, 'user-agent': 'test', 'content-type': 'application/json' });
    expect(received?.headers['content-length']).toBe(String(Buffer.byteLength(body)));
  });

  test.each([301, 302, 303, 307, 308])(
    'that is answered with the redirection %d is sent nowhere else',
    async (status) => {
      const elsewhere = await raw((socket) => socket.end(head('204 No Content')));
      server.answer((response) => response.writeHead(status, { location: elsewhere.url }).end());
      expect(await post(server.url)).toMatchObject(answered(status));
      expect(elsewhere.sockets.size).toBe(0);
      expect(server.received).toHaveLength(1);
    },
  );

  test('is refused with what the server asks for', async () => {
    server.answer((response) => response.writeHead(429, { 'retry-after': '120' }).end());
    expect(await post(server.url)).toEqual({ kind: 'answered', status: 429, retryAfter: '120' });
  });
});

describe('a server that hangs', () => {
  test('before the head of its answer has its time', async () => {
    server.answer(() => {});
    expect(await post(server.url, hurried())).toEqual(failed('timeout'));
  });

  test('before TLS, too', async () => {
    const deaf = await raw(() => {});
    expect(await post(deaf.url.replace('http:', 'https:'), hurried())).toEqual(failed('timeout'));
    await waitUntil('the connection is closed', () => Promise.resolve(deaf.sockets.size === 0));
  });

  test('before it has an address has its time, too', async () => {
    const lookup = () => {};
    const sender = open({ allowPrivate: true, lookup }, SHORT_MS);
    expect(await post('https://slow.example/', sender)).toEqual(failed('timeout'));
  });

  test('in its head, which it sends a byte at a time', async () => {
    const slow = await raw((socket) => {
      const bytes = Buffer.from(head('200 OK', 'a: b\r\n'.repeat(1000)));
      let sent = 0;
      const timer = setInterval(() => {
        socket.write(bytes.subarray(sent, sent + 1));
        sent += 1;
      }, 10);
      socket.once('close', () => clearInterval(timer));
    });
    expect(await post(slow.url, hurried())).toEqual(failed('timeout'));
    await waitUntil('the connection is closed', () => Promise.resolve(slow.sockets.size === 0));
  });

  test('in its body has taken the message, and keeps no connection', async () => {
    const slow = await raw((socket) => socket.write(`${head('200 OK', 'content-length: 100\r\n')}x`));
    expect(await post(slow.url)).toMatchObject(answered(200));
    await waitUntil('the connection is closed', () => Promise.resolve(slow.sockets.size === 0));
  });

  test('does not outlast the end of the sender', async () => {
    const sender = open();
    server.answer(() => {});
    const sent = post(server.url, sender);
    await waitUntil('it is asked', () => Promise.resolve(server.received.length === 1));
    sender.close();
    expect(await sent).toEqual({ kind: 'closed' });
    expect(await post(server.url, sender)).toEqual({ kind: 'closed' });
    expect(server.received).toHaveLength(1);
  });
});

describe('a server that lies', () => {
  test('with a body without an end is read no further than 64 KiB and what was under way', async () => {
    let written = 0;
    const endless = await raw((socket) => {
      socket.write(head('200 OK', 'transfer-encoding: chunked\r\n'));
      const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
      const write = (): void => {
        while (!socket.destroyed && socket.write(chunk)) written += chunk.length;
        written += chunk.length;
      };
      socket.on('drain', write);
      write();
    });
    expect(await post(endless.url)).toMatchObject(answered(200));
    await waitUntil('the connection is closed', () => Promise.resolve(endless.sockets.size === 0));
    expect(written).toBeLessThan(16 * 1024 * 1024);
  });

  test.each([
    ['no HTTP', 'SSH-2.0-OpenSSH_9.9\r\n'],
    ['a status that is none', 'HTTP/1.1 abc OK\r\n\r\n'],
    ['a length and chunks', head('200 OK', 'content-length: 3\r\ntransfer-encoding: chunked\r\n')],
    ['a head of 32 KiB', head('200 OK', `x: ${'y'.repeat(32 * 1024)}\r\n`)],
    ['another protocol', head('101 Switching Protocols', 'connection: upgrade\r\nupgrade: websocket\r\n')],
    ['an end before its head', 'HTTP/1.1 200 OK\r\nco'],
  ])('with %s is broken', async (_what, text) => {
    const liar = await raw((socket) => socket.end(text));
    expect(await post(liar.url)).toMatchObject(failed('broken'));
    await waitUntil('the connection is closed', () => Promise.resolve(liar.sockets.size === 0));
  });

  test('by a reset is broken; one behind the head has taken the message', async () => {
    const resets = await raw((socket) => socket.resetAndDestroy());
    expect(await post(resets.url)).toMatchObject(failed('broken'));
    const late = await raw((socket) => {
      socket.write(head('200 OK', 'content-length: 9\r\n'), () => socket.resetAndDestroy());
    });
    const answer = await post(late.url);
    expect([answered(200), failed('broken')]).toContainEqual(
      answer.kind === 'answered' ? answered(answer.status) : failed((answer as { failure: string }).failure),
    );
  });

  test('with a hundred early hints is waited for no longer', async () => {
    const hints = await raw((socket) => {
      const timer = setInterval(() => socket.write(head('103 Early Hints')), 5);
      socket.once('close', () => clearInterval(timer));
    });
    expect(await post(hints.url, hurried())).toEqual(failed('timeout'));
  });

  test('about who it is is not told anything', async () => {
    const other = await startWebhookServer();
    expect(await post(other.url)).toMatchObject({
      ...failed('unreachable'),
      detail: expect.stringMatching(/CERT|SELF/),
    });
    const named = server.url.replace('127.0.0.1', 'localhost');
    expect(await post(named)).toMatchObject(failed('unreachable'));
    expect([other.received, server.received]).toEqual([[], []]);
    await other.close();
  });

  test('by not being there is unreachable', async () => {
    const gone = await raw(() => {});
    for (const { server: listening } of raws) await new Promise((resolve) => listening.close(resolve));
    expect(await post(gone.url)).toMatchObject({ ...failed('unreachable'), detail: 'ECONNREFUSED' });
    expect(await post('https://nothing.invalid/')).toMatchObject(failed('unreachable'));
  });
});

describe('S1: an address that is not public', () => {
  test.each(['127.0.0.1', '[::1]', '[::ffff:127.0.0.1]', '0x7f.1', '169.254.169.254', '10.0.0.1'])(
    '%s is not connected to',
    async (host) => {
      const { port } = new URL(server.url);
      expect(await post(`https://${host}:${port}/`, open({ allowPrivate: false }))).toMatchObject(
        failed('private_address'),
      );
      expect(server.connections).toBe(0);
    },
  );

  test('is not connected to where a name resolves to it later, also beside a public one', async () => {
    const answers = [
      [{ address: '93.184.215.14', family: 4 }],
      [{ address: '127.0.0.1', family: 4 }],
      [
        { address: '93.184.215.14', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ],
    ];
    const reach = {
      allowPrivate: false,
      lookup: ((_host, { all }, done) => {
        const found = answers.shift() ?? [];
        if (all) done(null, found);
        else done(null, found[0]?.address ?? '', found[0]?.family);
      }) as NonNullable<PushReachOptions['lookup']>,
    };
    const { port } = new URL(server.url);
    const url = `https://rebinding.example:${port}/`;
    await new PushReach(reach).requirePublicUrl(url);
    for (const _ of [1, 2]) expect(await post(url, open(reach))).toMatchObject(failed('private_address'));
    expect(server.connections).toBe(0);
  });
});
