/** A push service for browsers, and the browser: HTTPS on loopback. It verifies VAPID (RFC 8292) and decrypts (RFC 8291). */
import { createDecipheriv, createECDH, createPublicKey, hkdfSync, randomBytes, verify } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { createCertificate } from './certificate.js';

export interface WebPush {
  headers: IncomingMessage['headers'];
  /** What the browser's service worker gets. */
  payload: Record<string, unknown>;
  /** Of the encrypted body. */
  bytes: number;
}

export type WebPushAnswer = { status: number; body?: string; retryAfter?: string; location?: string } | 'hang' | 'drop';

export interface WebPushServer {
  /** PEM: what a client has to trust. */
  readonly ca: string;
  /** The subscription as the browser gives it away, JSON. */
  readonly subscription: string;
  /** Pushes with nothing wrong in them, whatever they were answered. */
  readonly pushes: WebPush[];
  /** Taken so far. */
  readonly connections: number;
  /** What a push service would have refused by itself. */
  readonly violations: string[];
  /** The public key with which the browser has subscribed, base64url. */
  expectKey(publicKey: string | undefined): void;
  answer(how: () => WebPushAnswer): void;
  close(): Promise<void>;
}

const MAX_BODY_BYTES = 4096;
const DAY_S = 86_400;

export async function startWebPushServer(): Promise<WebPushServer> {
  const { certificate, key } = createCertificate(['127.0.0.1']);
  const browser = createECDH('prime256v1');
  const p256dh = browser.generateKeys();
  const auth = randomBytes(16);
  const pushes: WebPush[] = [];
  const violations: string[] = [];
  const sockets = new Set<Socket>();
  let publicKey: string | undefined;
  let connections = 0;
  let how: () => WebPushAnswer = () => ({ status: 201 });
  const take = (headers: IncomingMessage['headers'], body: Buffer): WebPushAnswer => {
    try {
      checkHeaders(headers, `https://${headers.host}`, publicKey);
      if (body.length > MAX_BODY_BYTES) throw new Error('the body is too large');
      const payload = JSON.parse(decrypt(body, { browser, p256dh, auth })) as Record<string, unknown>;
      pushes.push({ headers, payload, bytes: body.length });
      return how();
    } catch (error) {
      violations.push((error as Error).message);
      return { status: 400 };
    }
  };
  const server = createServer({ cert: certificate, key }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.once('end', () => reply(response, take(request.headers, Buffer.concat(chunks))));
  });
  server.on('connection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    ca: certificate,
    subscription: JSON.stringify({
      endpoint: `https://127.0.0.1:${port}/push/a-secret-of-the-browser`,
      expirationTime: null,
      keys: { p256dh: p256dh.toString('base64url'), auth: auth.toString('base64url') },
    }),
    pushes,
    get connections() {
      return connections;
    },
    violations,
    expectKey: (expected) => {
      publicKey = expected;
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

function reply(response: ServerResponse, answer: WebPushAnswer): void {
  if (answer === 'hang') return;
  if (answer === 'drop') {
    response.socket?.destroy();
    return;
  }
  const { status, body = '', retryAfter, location } = answer;
  const headers = { ...(retryAfter !== undefined && { 'retry-after': retryAfter }), ...(location && { location }) };
  response.writeHead(status, headers).end(body);
}

function checkHeaders(headers: IncomingMessage['headers'], origin: string, publicKey: string | undefined): void {
  const need = (holds: boolean, what: string) => {
    if (!holds) throw new Error(what);
  };
  need(headers['content-encoding'] === 'aes128gcm', 'Content-Encoding');
  need(/^\d+$/.test(headers.ttl as string), 'TTL');
  need(/^[\w-]{1,32}$/.test(headers.topic as string), 'Topic');
  need(['very-low', 'low', 'normal', 'high'].includes(headers.urgency as string), 'Urgency');
  const [, token = '', key = ''] = /^vapid t=([^,]+), ?k=([\w-]+)$/.exec(headers.authorization ?? '') ?? [];
  need(key === publicKey, 'the key is not the one that was subscribed with');
  const [head = '', claims = '', signature = ''] = token.split('.');
  const point = Buffer.from(key, 'base64url');
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    x: point.toString('base64url', 1, 33),
    y: point.toString('base64url', 33, 65),
  };
  const verifying = { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' } as const;
  const isSigned = verify('sha256', Buffer.from(`${head}.${claims}`), verifying, Buffer.from(signature, 'base64url'));
  need(isSigned, 'the signature of VAPID');
  const { aud, exp, sub } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<string, unknown>;
  const left = Number(exp) - Date.now() / 1000;
  need(aud === origin && left > 0 && left <= DAY_S && /^(mailto|https):/.test(String(sub)), 'the claims of VAPID');
}

/** RFC 8188 with the keys of RFC 8291: one record. */
function decrypt(
  body: Buffer,
  { browser, p256dh, auth }: { browser: ReturnType<typeof createECDH>; p256dh: Buffer; auth: Buffer },
): string {
  const salt = body.subarray(0, 16);
  const keyEnd = 21 + body.readUInt8(20);
  const sender = body.subarray(21, keyEnd);
  const info = Buffer.concat([Buffer.from('WebPush: info\0'), p256dh, sender]);
  const secret = Buffer.from(hkdfSync('sha256', browser.computeSecret(sender), auth, info, 32));
  const derive = (name: string, length: number) =>
    Buffer.from(hkdfSync('sha256', secret, salt, Buffer.from(`Content-Encoding: ${name}\0`), length));
  const decipher = createDecipheriv('aes-128-gcm', derive('aes128gcm', 16), derive('nonce', 12));
  decipher.setAuthTag(body.subarray(-16));
  const plain = Buffer.concat([decipher.update(body.subarray(keyEnd, -16)), decipher.final()]);
  const end = plain.lastIndexOf(2);
  if (end < 0) throw new Error('the last record has no delimiter');
  return plain.subarray(0, end).toString();
}
