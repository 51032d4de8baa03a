import type { Request, Response } from 'express';
import type { z } from 'zod';
import { type CommandWith, type RestInput, type RouteRule, restRule } from '../../protocol/commands/rest.js';
import { invalid } from '../../protocol/error-codes.js';
import { MAX_REQUEST_ID } from '../../protocol/limits.js';
import { PLAIN, toCompanionError } from '../../protocol/parse-client-frame.js';
import type { DeviceId, SessionId } from '../../protocol/scalars.js';
import type { Caller } from '../../services/commands/command-context.js';
import type { Principal } from '../../services/identity/principal.js';
import type { DeviceRef } from '../../services/ports/records.js';
import { requireLiberties, requireScope, unauthorized } from '../access/admission.js';
import { admitPrompt } from '../access/admit-prompt.js';
import type { RouteServices } from '../route-services.js';
import { requireDigits } from './whole-numbers.js';

interface Identified {
  principal: Principal;
  /** Checked on each use: the sender can be revoked while its body arrives. */
  isCurrent: (principal: Principal) => boolean;
}

const identified = new WeakMap<Response, Identified>();

const rules = new WeakMap<Response, RouteRule>();

/** Stores the row of a request's command. */
export const setRule = (response: Response, rule: RouteRule): void => {
  rules.set(response, rule);
};

/** The row of a request's command; undefined where none is needed. */
export const findRule = (response: Response): RouteRule | undefined => rules.get(response);

const traces = new WeakMap<Response, string>();

/** Stores the `traceparent` of a request. */
export const setTrace = (response: Response, trace: string): void => {
  traces.set(response, trace);
};

/** The `traceparent` of a request; undefined where it is not traced. */
export const traceOf = (response: Response): string | undefined => traces.get(response);

/** Stores the principal of a request. */
export const setPrincipal = (response: Response, who: Identified): void => {
  identified.set(response, who);
};

/** The authenticated principal of the request, unless it was revoked since. */
export function findPrincipal(response: Response): Principal | undefined {
  const found = identified.get(response);
  return found?.isCurrent(found.principal) ? found.principal : undefined;
}

/** The principal when the request arrived, even if the request revoked it. */
export const findSender = (response: Response): Principal | undefined => identified.get(response)?.principal;

/** The principal of the request. Throws `UNAUTHORIZED`. */
export function requirePrincipal(response: Response): Principal {
  const principal = findPrincipal(response);
  if (principal) return principal;
  throw unauthorized();
}

export const IDEMPOTENCY_KEY = 'Idempotency-Key';

/** The key by which a client repeats a request; only `POST` has one. Throws `INVALID_REQUEST`. */
export function idempotencyKeyOf({ method, headers }: Pick<Request, 'method' | 'headers'>): string | undefined {
  const given = headers['idempotency-key'];
  if (method !== 'POST' || given === undefined) return undefined;
  if (typeof given === 'string' && KEY.test(given)) return given;
  throw invalid(IDEMPOTENCY_KEY, `must be 1 to ${MAX_REQUEST_ID} visible characters of ASCII`);
}

const KEY = new RegExp(`^[\\x21-\\x7e]{1,${MAX_REQUEST_ID}}$`);

/** The id in the path of a session. */
export const sessionIn = (path: string): string | undefined => /\/sessions\/([^/]+)/.exec(path)?.[1];

/** For requests with a credential that belongs to no device. */
const REST_DEVICE = 'rest' as DeviceId;

/** The request's sender, as a device of its person. */
export const deviceOf = (principal: Principal): DeviceRef => ({
  userId: principal.userId,
  deviceId: ownDeviceId(principal) ?? REST_DEVICE,
});

/** The device of the credential; a key acts as one of its own. */
const ownDeviceId = ({ device, key }: Principal): DeviceId | undefined =>
  device?.deviceId ?? (key?.keyId as DeviceId | undefined);

/** The caller, as use cases know it. A REST request has no id that makes it run once. */
export function callerOf(response: Response): Caller {
  const principal = requirePrincipal(response);
  return { device: deviceOf(principal), requestId: null, key: principal.key, trace: traceOf(response) };
}

/** The same for a prompt, which the key of the request makes run once. */
export const promptCallerOf = (response: Response): Caller => ({
  ...callerOf(response),
  requestId: idempotencyKeyOf(response.req) ?? null,
});

/**
 * A device of the caller's person. A device acts for itself; acting for another takes `admin`. Throws
 * `PERMISSION_DENIED`.
 */
export function requireDevice(response: Response, deviceId: DeviceId): DeviceRef {
  const principal = requirePrincipal(response);
  const own = ownDeviceId(principal);
  if (own !== undefined && own !== deviceId) requireScope(principal, 'admin');
  return { userId: principal.userId, deviceId };
}

/** Checks a part of a request against its schema. Throws an error that names field and rule. */
export function parseInput<Schema extends z.ZodType>(schema: Schema, input: unknown, whole: string): z.infer<Schema> {
  const parsed = schema.safeParse(input ?? {}, PLAIN);
  if (!parsed.success) throw toCompanionError(parsed.error, whole);
  return parsed.data;
}

/** The body of a request, checked by the command's schema. Throws an error that names field and rule. */
export const readBody = <C extends CommandWith<'body'>>(command: C, { body }: Pick<Request, 'body'>) =>
  read(command, 'body', body) as RestInput<C, 'body'>;

/** The query of a request, checked by the command's schema. Throws an error that names field and rule. */
export function readQuery<C extends CommandWith<'query'>>(command: C, { query }: Pick<Request, 'query'>) {
  const { query: schema } = restRule(command);
  if (schema) requireDigits(schema, query);
  return read(command, 'query', query) as RestInput<C, 'query'>;
}

/** The body of the request, whose sender may grant the liberties in it. Throws `PERMISSION_DENIED` as well. */
export function readPermittedBody<C extends CommandWith<'body'>>(command: C, response: Response): RestInput<C, 'body'> {
  const body = readBody(command, response.req);
  requireLiberties(requirePrincipal(response), restRule(command).liberties?.(body as never));
  return body;
}

interface Prompting {
  services: RouteServices;
  response: Response;
  at: SessionId;
}

/**
 * The body of a request that passes a text to Claude, as its sender may. Rejects with `PERMISSION_DENIED` and
 * `RATE_LIMITED` as well.
 */
export async function readPrompted<C extends CommandWith<'body'>>(
  command: C,
  { services, response, at }: Prompting,
): Promise<RestInput<C, 'body'>> {
  const body = readPermittedBody(command, response);
  const principal = requirePrincipal(response);
  const prompted = restRule(command).prompt?.(body as never);
  const device = deviceOf(principal);
  if (prompted) await admitPrompt(services, { principal, device, prompted, isCounted: true, at: () => at });
  return body;
}

function read(command: CommandWith<'body'> | CommandWith<'query'>, part: 'body' | 'query', input: unknown): unknown {
  const schema = restRule(command)[part];
  return schema && parseInput(schema, input, part);
}

/**
 * Runs a use case and resolves with its reply. The reply follows the commit and precedes all events for clients; the
 * answer is built after that.
 */
export const replied = <Result>(run: (reply: (result: Result) => void) => Promise<void>): Promise<Result> =>
  new Promise((resolve, reject) => {
    run(resolve).catch(reject);
  });
