import { request as httpRequest, type IncomingMessage } from 'node:http';
import * as z from 'zod';
import { CompanionError } from '../protocol/error-codes.js';
import { parseJson } from '../protocol/json.js';
import { errorBodySchema } from '../protocol/rest.js';
import { type WaitingSession, waitingSchema } from '../protocol/waiting.js';
import { NoDaemonError } from './cli-errors.js';

interface Followed {
  socketPath: string;
  sessionId: string;
  /** Its reason is thrown when it is aborted. */
  signal: AbortSignal;
}

/** A restarting daemon is back within this time, in milliseconds. */
const AWAY_MS = 60_000;
const AGAIN_MS = 250;

/**
 * What waits in a session: as it is now, and after each change. A daemon that restarts is waited for, and tells what
 * holds then. Throws `NoDaemonError`, the daemon's own error, and the reason of the signal.
 */
export async function* followWaiting(followed: Followed): AsyncGenerator<WaitingSession> {
  const { signal } = followed;
  let awaySince: number | undefined;
  let hasConnected = false;
  while (true) {
    signal.throwIfAborted();
    try {
      for await (const session of readOnce(followed)) {
        hasConnected = true;
        awaySince = undefined;
        yield session;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof CompanionError || (error instanceof NoDaemonError && !hasConnected)) throw error;
    }
    awaySince ??= performance.now();
    if (performance.now() - awaySince > AWAY_MS) throw new NoDaemonError(followed.socketPath);
    await pause(AGAIN_MS, signal);
  }
}

/** One connection, until it is cut. */
async function* readOnce({ socketPath, sessionId, signal }: Followed): AsyncGenerator<WaitingSession> {
  const query = new URLSearchParams({ only: 'waiting', sessionId });
  const response = await open({ socketPath, path: `/api/stream?${query.toString()}`, signal });
  if (response.statusCode !== 200) throw await errorOf(response);
  for await (const data of eventsOf(response)) {
    const parsed = eventSchema.safeParse(parseJson(data));
    const session = parsed.data?.sessions.find((one) => one.sessionId === sessionId);
    if (session) yield session;
  }
}

const eventSchema = waitingSchema.extend({ type: z.literal('waiting') });

function open({ socketPath, path, signal }: Pick<Followed, 'socketPath' | 'signal'> & { path: string }) {
  return new Promise<IncomingMessage>((resolve, reject) => {
    const request = httpRequest({ socketPath, path, headers: { Host: 'localhost' }, signal }, resolve);
    request.on('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'ENOENT' || error.code === 'ECONNREFUSED' ? new NoDaemonError(socketPath) : error);
    });
    request.end();
  });
}

async function errorOf(response: IncomingMessage): Promise<CompanionError> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk);
  const { data } = errorBodySchema.safeParse(parseJson(text));
  if (!data) return new CompanionError('INTERNAL_ERROR', `The daemon answered ${response.statusCode}.`);
  return new CompanionError(data.error.code, data.error.message, data.error.details);
}

const DATA = 'data: ';

/** The data of each event. The daemon writes it in one line. */
async function* eventsOf(response: IncomingMessage): AsyncGenerator<string> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) {
    const lines = `${text}${String(chunk)}`.split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) if (line.startsWith(DATA)) yield line.slice(DATA.length);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
