/**
 * Apple's push service, as far as a provider can tell: HTTP/2 with TLS on loopback. It refuses what Apple refuses, with
 * Apple's reasons, and misbehaves on demand. After "Sending notification requests to APNs", "Establishing a token-based
 * connection to APNs" and "Handling notification responses from APNs".
 */
import { type KeyObject, verify } from 'node:crypto';
import {
  constants,
  createSecureServer,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { type Certificate, createCertificate } from './certificate.js';

export interface ApnsRequest {
  token: string;
  headers: IncomingHttpHeaders;
  payload: Record<string, unknown>;
  bytes: number;
}

/** `goaway-refusing`: the request is not among those that will be served; `goaway-dropping`: it is, and the socket ends. */
export type ApnsBehaviour =
  | { kind: 'accept' }
  | { kind: 'refuse'; status: number; reason?: string; timestamp?: number; retryAfter?: string }
  | { kind: 'hang' | 'reset' | 'drop' | 'goaway-serving' | 'goaway-refusing' | 'goaway-dropping' | 'accept-and-drop' };

/** A promise answers when it is fulfilled. */
export type Behave = (request: ApnsRequest) => ApnsBehaviour | Promise<ApnsBehaviour>;

export interface ApnsServerOptions {
  /** Of the token key: without one, a client's certificate is what counts. */
  publicKey?: KeyObject;
  keyId?: string;
  teamId?: string;
  topics?: readonly string[];
  behave?: Behave;
  /** For 127.0.0.1. */
  certificate?: Certificate;
  /** How many requests of a session it serves at a time: Apple begins with one. */
  maxStreams?: number;
}

export interface ApnsServer {
  readonly address: string;
  readonly port: number;
  /** PEM: what a client has to trust. */
  readonly ca: string;
  /** All that had nothing wrong with them, whatever became of them. */
  readonly requests: ApnsRequest[];
  /** Those that the device would show. */
  readonly accepted: ApnsRequest[];
  /** What Apple would have refused by itself. */
  readonly violations: string[];
  /** Provider tokens seen. */
  readonly providerTokens: Set<string>;
  /** How many sessions were ever opened. */
  sessions(): number;
  /** Sessions that are open now and have not been told GOAWAY. */
  openSessions(): number;
  behave(behaviour: Behave): void;
  close(): Promise<void>;
}

export const KEY_ID = 'ABC123DEFG';
export const TEAM_ID = 'TEAM123456';
export const TOPIC = 'org.example.companion';

const MAX_PAYLOAD_BYTES = 4096;
const MAX_COLLAPSE_BYTES = 64;
const TOKEN_LIFE_S = 3600;

class Refusal extends Error {
  readonly status: number;

  constructor(status: number, reason: string) {
    super(reason);
    this.status = status;
  }
}

export async function startApnsServer(options: ApnsServerOptions): Promise<ApnsServer> {
  const certificate = options.certificate ?? createCertificate(['127.0.0.1', 'localhost']);
  let behave: Behave = options.behave ?? (() => ({ kind: 'accept' }));
  const state = { requests: [] as ApnsRequest[], accepted: [] as ApnsRequest[], violations: [] as string[] };
  const providerTokens = new Set<string>();
  const sockets = new Set<Socket>();
  const open = new Set<Http2Session>();
  /** The last stream of a session that has been told GOAWAY. */
  const lastServed = new WeakMap<object, number>();
  let opened = 0;
  const server = createSecureServer({
    key: certificate.key,
    cert: certificate.certificate,
    requestCert: options.publicKey === undefined,
    rejectUnauthorized: false,
    ...(options.maxStreams !== undefined && { settings: { maxConcurrentStreams: options.maxStreams } }),
  });
  server.on('session', (session) => {
    opened += 1;
    open.add(session);
    session.once('close', () => open.delete(session));
    session.on('error', () => {});
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.once('end', () => {
      if (!isLost(stream)) take(stream, headers, Buffer.concat(chunks));
    });
  });

  /** One that ended with its session, or that GOAWAY has left out, has never been here. */
  const isLost = (stream: ServerHttp2Stream): boolean =>
    stream.destroyed ||
    stream.aborted ||
    (stream.id ?? 0) > (lastServed.get(stream.session ?? stream) ?? Number.POSITIVE_INFINITY);

  const take = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, body: Buffer): void => {
    try {
      const request = check(stream, headers, body);
      state.requests.push(request);
      void Promise.resolve(behave(request)).then((behaviour) => answer(stream, request, behaviour));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      state.violations.push(error.message);
      refuse(stream, headers, { status: error.status, reason: error.message });
    }
  };

  const check = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, body: Buffer): ApnsRequest => {
    authorise(stream, headers, { ...options, providerTokens });
    checkHeaders(headers, options.topics ?? [TOPIC]);
    const token = String(headers[':path']).slice('/3/device/'.length);
    return { token, headers, payload: checkPayload(headers, body), bytes: body.length };
  };

  const accept = (stream: ServerHttp2Stream, request: ApnsRequest): void => {
    state.accepted.push(request);
    if (stream.destroyed) return;
    stream.respond({ ':status': 200, 'apns-id': request.headers['apns-id'] });
    stream.end();
  };

  const answer = (stream: ServerHttp2Stream, request: ApnsRequest, behaviour: ApnsBehaviour): void => {
    const { session, id = 0 } = stream;
    if (session && behaviour.kind.startsWith('goaway')) {
      lastServed.set(session, behaviour.kind === 'goaway-refusing' ? Math.max(0, id - 2) : id);
      // Node's server does not learn any more that such a client is gone.
      open.delete(session);
    }
    switch (behaviour.kind) {
      case 'accept':
        accept(stream, request);
        return;
      case 'refuse':
        refuse(stream, request.headers, behaviour);
        return;
      case 'goaway-serving':
        misbehave(stream, behaviour.kind);
        accept(stream, request);
        return;
      case 'accept-and-drop':
        // Apple has it, and nobody learns of it.
        state.accepted.push(request);
        misbehave(stream, 'drop');
        return;
      case 'hang':
      case 'reset':
      case 'drop':
      case 'goaway-refusing':
      case 'goaway-dropping':
        misbehave(stream, behaviour.kind);
    }
  };

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    ...state,
    address: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    ca: certificate.certificate,
    providerTokens,
    sessions: () => opened,
    // Node's server (20.20) can wait for ever to tell the end of a session that it has ended.
    openSessions: () => [...open].filter(({ destroyed }) => !destroyed).length,
    behave: (next) => {
      behave = next;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function misbehave(
  stream: ServerHttp2Stream,
  kind: 'hang' | 'reset' | 'drop' | 'goaway-serving' | 'goaway-refusing' | 'goaway-dropping',
): void {
  const { session, id = 0 } = stream;
  if (!session || session.destroyed || kind === 'hang') return;
  if (kind === 'reset') {
    stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    return;
  }
  if (kind === 'goaway-serving' || kind === 'goaway-dropping') session.goaway(constants.NGHTTP2_NO_ERROR, id);
  if (kind === 'goaway-refusing')
    session.goaway(constants.NGHTTP2_NO_ERROR, Math.max(0, id - 2), Buffer.from('{"reason":"Shutdown"}'));
  // Behind what is written, and outside of the session's own callbacks.
  if (kind === 'drop' || kind === 'goaway-dropping') setImmediate(() => session.destroy());
}

function refuse(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  refusal: { status: number; reason?: string; timestamp?: number; retryAfter?: string },
): void {
  if (stream.destroyed) return;
  const { status, reason, timestamp, retryAfter } = refusal;
  stream.respond({
    ':status': status,
    'apns-id': headers['apns-id'],
    ...(retryAfter !== undefined && { 'retry-after': retryAfter }),
  });
  stream.end(reason === undefined ? '' : JSON.stringify({ reason, ...(timestamp !== undefined && { timestamp }) }));
}

function authorise(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  known: ApnsServerOptions & { providerTokens: Set<string> },
): void {
  if (!known.publicKey) {
    const socket = stream.session?.socket as TLSSocket | undefined;
    if (Object.keys(socket?.getPeerCertificate() ?? {}).length === 0) throw new Refusal(403, 'MissingProviderToken');
    return;
  }
  const [scheme, token] = (headers.authorization ?? '').split(' ');
  if (scheme !== 'bearer' || token === undefined) throw new Refusal(403, 'MissingProviderToken');
  const { iat } = verifyToken(token, { ...known, publicKey: known.publicKey });
  if (Math.abs(Date.now() / 1000 - iat) > TOKEN_LIFE_S) throw new Refusal(403, 'ExpiredProviderToken');
  known.providerTokens.add(token);
}

function verifyToken(token: string, known: ApnsServerOptions & { publicKey: KeyObject }): { iat: number } {
  const [head = '', claims = '', signature = ''] = token.split('.');
  const parse = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>;
  const signed = Buffer.from(`${head}.${claims}`);
  const key = { key: known.publicKey, dsaEncoding: 'ieee-p1363' } as const;
  const isSigned = verify('sha256', signed, key, Buffer.from(signature, 'base64url'));
  const { alg, kid } = parse(head);
  const { iss, iat } = parse(claims);
  if (!isSigned || alg !== 'ES256' || kid !== (known.keyId ?? KEY_ID) || iss !== (known.teamId ?? TEAM_ID))
    throw new Refusal(403, 'InvalidProviderToken');
  if (typeof iat !== 'number') throw new Refusal(403, 'InvalidProviderToken');
  return { iat };
}

function checkHeaders(headers: IncomingHttpHeaders, topics: readonly string[]): void {
  const need = (holds: boolean, reason: string, status = 400) => {
    if (!holds) throw new Refusal(status, reason);
  };
  const text = (name: string) => String(headers[name] ?? '');
  need(headers[':method'] === 'POST', 'MethodNotAllowed', 405);
  need(text(':path').startsWith('/3/device/'), 'BadPath', 404);
  need(text(':path') !== '/3/device/', 'MissingDeviceToken');
  need(/^\/3\/device\/([0-9a-f]{2})+$/i.test(text(':path')), 'BadDeviceToken');
  need(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text('apns-id')), 'BadMessageId');
  need(headers['apns-topic'] !== undefined, 'MissingTopic');
  need(topics.includes(text('apns-topic')), 'TopicDisallowed');
  need(['alert', 'background'].includes(text('apns-push-type')), 'InvalidPushType');
  need(text('apns-priority') === (headers['apns-push-type'] === 'alert' ? '10' : '5'), 'BadPriority');
  need(/^\d{1,11}$/.test(text('apns-expiration')), 'BadExpirationDate');
  need(Buffer.byteLength(text('apns-collapse-id')) <= MAX_COLLAPSE_BYTES, 'BadCollapseId');
}

function checkPayload(headers: IncomingHttpHeaders, body: Buffer): Record<string, unknown> {
  if (body.length === 0) throw new Refusal(400, 'PayloadEmpty');
  if (body.length > MAX_PAYLOAD_BYTES) throw new Refusal(413, 'PayloadTooLarge');
  const payload = JSON.parse(body.toString()) as { aps?: Record<string, unknown> };
  const { aps } = payload;
  if (aps === undefined) throw new Refusal(400, 'PayloadEmpty');
  const isAlert = headers['apns-push-type'] === 'alert';
  const alert = aps.alert as Record<string, string> | undefined;
  if (isAlert && !Object.values(alert ?? {}).some((text) => text !== '')) throw new Refusal(400, 'PayloadEmpty');
  if (!isAlert && (aps['content-available'] !== 1 || alert !== undefined || aps.sound !== undefined))
    throw new Refusal(400, 'InvalidPushType');
  return payload;
}
