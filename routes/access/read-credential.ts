import type { IncomingMessage } from 'node:http';

const BEARER_PROTOCOL = 'companion.bearer.';

/** A credential that a client has presented. */
export interface Credential {
  kind: 'bearer' | 'ticket';
  text: string;
}

/** The credential of an HTTP request: `Authorization: Bearer` or `x-api-key`. */
export function httpCredential({ headers }: Pick<IncomingMessage, 'headers'>): Credential | undefined {
  const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
  const key = headers['x-api-key'];
  return bearerOf(bearer ?? (typeof key === 'string' ? key : undefined));
}

export interface UpgradeCredentialOptions {
  request: Pick<IncomingMessage, 'headers' | 'url'>;
  queryToken: boolean;
}

/** The credential of a WebSocket upgrade; the first of header, subprotocol, ticket, query. */
export function upgradeCredential({ request, queryToken }: UpgradeCredentialOptions): Credential | undefined {
  const bearer = httpCredential(request) ?? bearerOf(protocolToken(request));
  if (bearer) return bearer;
  const tickets = queryOf(request).getAll('ticket');
  if (tickets.length > 0) return { kind: 'ticket', text: onlyOf(tickets) };
  const tokens = queryToken ? queryOf(request).getAll('token') : [];
  return tokens.length > 0 ? bearerOf(onlyOf(tokens)) : undefined;
}

/** A credential that is given twice is ambiguous, and so counts as wrong. */
const onlyOf = (given: readonly string[]): string => (given.length === 1 ? (given[0] ?? '') : '');

const bearerOf = (text: string | undefined): Credential | undefined =>
  text === undefined ? undefined : { kind: 'bearer', text };

/** The query of a request's URL. */
export const queryOf = ({ url = '/' }: Pick<IncomingMessage, 'url'>): URLSearchParams =>
  new URLSearchParams(url.includes('?') ? url.slice(url.indexOf('?') + 1) : '');

/** Browsers cannot set headers on a WebSocket; the subprotocol carries the token as base64url. */
function protocolToken({ headers }: Pick<IncomingMessage, 'headers'>): string | undefined {
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  const bearer = offered.find((name) => name.startsWith(BEARER_PROTOCOL));
  return bearer && Buffer.from(bearer.slice(BEARER_PROTOCOL.length), 'base64url').toString('utf8');
}
