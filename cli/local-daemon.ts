import { request as httpRequest } from 'node:http';
import type * as z from 'zod';
import { CompanionError } from '../protocol/error-codes.js';
import { parseJson } from '../protocol/json.js';
import { errorBodySchema } from '../protocol/rest.js';
import { NoDaemonError } from './cli-errors.js';

export interface LocalRequest {
  /** See `localSocketPath`. */
  socketPath: string;
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** With its query. */
  path: string;
  /** Sent as JSON. */
  body?: object;
}

const TIMEOUT_MS = 30_000;

/**
 * Asks the daemon over its local socket, which needs no credential, and resolves with the JSON of its answer. Rejects
 * with `NoDaemonError` when no daemon listens, and with the daemon's own error as `CompanionError`.
 */
export async function askDaemon(request: LocalRequest): Promise<unknown> {
  const text = await exchange(request);
  const answer = parseAnswer(text);
  const failure = errorBodySchema.safeParse(answer);
  if (!failure.success) return answer;
  const { code, message, details } = failure.data.error;
  throw new CompanionError(code, message, details);
}

/** Its answer of this shape; undefined from a daemon of a version that has no such answer. */
export async function findAnswer<Schema extends z.ZodType>(
  { socketPath, path }: Pick<LocalRequest, 'socketPath' | 'path'>,
  schema: Schema,
): Promise<z.output<Schema> | undefined> {
  try {
    return schema.safeParse(await askDaemon({ socketPath, method: 'GET', path })).data;
  } catch (error) {
    if (error instanceof CompanionError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}

function exchange({ socketPath, method, path, body }: LocalRequest): Promise<string> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const headers = { Host: 'localhost', ...(text !== undefined && { 'Content-Type': 'application/json' }) };
  return new Promise((resolve, reject) => {
    const request = httpRequest({ socketPath, method, path, headers, timeout: TIMEOUT_MS }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => resolve(Buffer.concat(chunks).toString()));
    });
    request.on('timeout', () => request.destroy(new CompanionError('TIMEOUT', 'The daemon does not answer.')));
    request.on('error', (error: NodeJS.ErrnoException) => {
      reject(isNobody(error) ? new NoDaemonError(socketPath) : error);
    });
    request.end(text);
  });
}

/** There is no socket, or its daemon is gone. */
export const isNobody = ({ code }: NodeJS.ErrnoException) => code === 'ENOENT' || code === 'ECONNREFUSED';

function parseAnswer(text: string): unknown {
  const value = parseJson(text);
  if (value === undefined) throw new CompanionError('INTERNAL_ERROR', 'The daemon’s answer is not JSON.');
  return value;
}
