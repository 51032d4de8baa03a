/** The real daemon with people and paired devices. */
import { request } from 'node:http';
import WebSocket from 'ws';
import { localSocketPath } from '../../config/local-socket-path.js';
import type { GrantView } from '../../protocol/auth.js';
import type { ErrorBody } from '../../protocol/rest.js';
import type { Daemon } from './daemon.js';

type Json = Record<string, unknown>;

/** A request through the socket that only the owner of the machine's account can open. */
export function askLocally<T = Json>(
  { home }: Pick<Daemon, 'home'>,
  method: string,
  path: string,
  body?: object,
): Promise<T> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const headers = text === undefined ? {} : { 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath: localSocketPath(home), path, method, headers }, (response) => {
      let answer = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        answer += chunk;
      });
      response.on('end', () => resolve(JSON.parse(answer) as T));
    });
    outgoing.once('error', reject);
    outgoing.end(text);
  });
}

export interface Answer<T = Json> {
  status: number;
  headers: Headers;
  body: T & Partial<ErrorBody>;
}

/** A request over the network, with or without a credential. */
export async function askOver<T = Json>(
  { url }: Pick<Daemon, 'url'>,
  method: string,
  path: string,
  { token, body, headers = {} }: { token?: string; body?: unknown; headers?: Record<string, string> } = {},
): Promise<Answer<T>> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await (isStream(response) ? firstOf(response) : response.text());
  return {
    status: response.status,
    headers: response.headers,
    body: (isJson(response) ? JSON.parse(text) : { text }) as T & Json,
  };
}

const isJson = ({ headers }: Response): boolean => headers.get('content-type')?.startsWith('application/json') ?? false;

const isStream = ({ headers }: Response): boolean => headers.get('content-type') === 'text/event-stream';

/** What an event stream begins with; it has no end. */
async function firstOf({ body }: Response): Promise<string> {
  const reader = body?.getReader();
  const first = await reader?.read();
  await reader?.cancel();
  return Buffer.from(first?.value ?? []).toString();
}

export interface PairOptions {
  user?: string;
  scopes?: string[];
  deviceId?: string;
  deviceName?: string;
}

/** A device with a credential of its own. */
export async function pairDevice(daemon: Daemon, { user, scopes, deviceId, deviceName }: PairOptions = {}) {
  const opened = await askLocally<{ code: string }>(daemon, 'POST', '/local/pair', {
    ...(user !== undefined && { user }),
    ...(scopes && { scopes }),
  });
  const { status, body } = await askOver<GrantView>(daemon, 'POST', '/api/auth/pair', {
    body: { code: opened.code, deviceName: deviceName ?? 'a phone', platform: 'ios', ...(deviceId && { deviceId }) },
  });
  if (status !== 200) throw new Error(JSON.stringify(body));
  return body;
}

export const PASSWORD = 'correct horse battery';

export const addUser = (daemon: Daemon, email: string) =>
  askLocally<{ id: string }>(daemon, 'POST', '/local/users', { email, password: PASSWORD });

export const bearerOf = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

/** What an upgrade is answered with: 101, or the status of the refusal. */
export async function upgradeStatus(
  { url }: Pick<Daemon, 'url'>,
  path: string,
  headers: Record<string, string> = {},
): Promise<number> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}${path}`, { headers });
  return new Promise((resolve, reject) => {
    socket.once('open', () => {
      socket.terminate();
      resolve(101);
    });
    socket.once('unexpected-response', (sent, response) => {
      response.resume();
      sent.destroy();
      resolve(response.statusCode ?? 0);
    });
    socket.once('error', reject);
  });
}
