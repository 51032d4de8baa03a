import { randomUUID } from 'node:crypto';
import { type Request, type Response, Router } from 'express';
import { CompanionError } from '../../protocol/error-codes.js';
import type { HookView } from '../../protocol/hooks.js';
import { MAX_REQUEST_ID } from '../../protocol/limits.js';
import type { DeviceId, PromptId } from '../../protocol/scalars.js';
import { promptOf } from '../../services/automation/template.js';
import { placeOf, requireTarget, sendAutomatic } from '../../services/commands/automatic.js';
import type { Principal } from '../../services/identity/principal.js';
import { pageOf } from '../../services/model/list-page.js';
import type { HookRecord } from '../../services/ports/hooks.js';
import type { Target } from '../../services/ports/schedules.js';
import { digestOf } from '../../services/telemetry/digest-of.js';
import { unauthorized } from '../access/admission.js';
import { admitPrompt } from '../access/admit-prompt.js';
import { auditHttp } from '../http/audit-http.js';
import { signedBodyOf } from '../http/bodies.js';
import { guardOf, isKnown, versionOf } from '../http/conditional.js';
import { toCompanionError } from '../http/http-errors.js';
import { deviceOf, readBody, readQuery, requirePrincipal, traceOf } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';

/** `/api/hooks`: those of the caller's person, and what other programs send to them. */
export function createHookRoutes(services: RouteServices): Router {
  const { hooks } = services;
  const router = Router();

  router.get('/', (request, response) => {
    const query = readQuery('listHooks', request);
    const placeIn = ({ createdAt: number, hookId: key }: HookRecord) => ({ number, key });
    const all = hooks.list(requirePrincipal(response).userId);
    const { items, page } = pageOf(all, { ...query, name: 'hooks', placeOf: placeIn });
    response.json({ hooks: items.map(hookView), ...page });
  });

  router.post('/', async (request, response) => {
    const { sessionId, workingDirectory, ...body } = readBody('createHook', request);
    const { userId, scopes } = requirePrincipal(response);
    const device = deviceOf(requirePrincipal(response));
    const target = await requireTarget(services, device, { sessionId, workingDirectory, base: services.firstRoot });
    await admit(services, response, { target, text: body.template });
    const made = hooks.add({ ...body, userId, target, scopes: [...scopes], createdBy: device.deviceId });
    const path = pathOf(made.hook);
    response
      .status(201)
      .location(path)
      .json({ ...hookView(made.hook), path, secret: made.secret });
  });

  addHookRoutes(router, services);
  addDelivery(router, services);
  return router;
}

type OfHook = Request<{ id: string }>;

/** A single hook. */
function addHookRoutes(router: Router, services: RouteServices): void {
  const { hooks } = services;
  const find = (request: OfHook, response: Response) =>
    hooks.require(requirePrincipal(response).userId, request.params.id);
  const requireVersion = (request: OfHook, response: Response) => {
    const found = find(request, response);
    guardOf(request, () => versionOfHook(found))?.();
    return found;
  };

  router.get('/:id', (request: OfHook, response) => {
    const found = find(request, response);
    const shown = hookView(found);
    if (!isKnown(response, `${versionOfHook(found)}.${versionOf(shown)}`)) response.json(shown);
  });

  router.patch('/:id', async (request: OfHook, response) => {
    const { sessionId, workingDirectory, ...body } = readBody('changeHook', request);
    const { target: before, template: text } = find(request, response);
    const named = { sessionId, workingDirectory, base: services.firstRoot };
    const isMoved = sessionId !== undefined || workingDirectory !== undefined;
    const target = isMoved ? await requireTarget(services, deviceOf(requirePrincipal(response)), named) : before;
    await admit(services, response, { target, text: body.template ?? text });
    const found = requireVersion(request, response);
    const isSaid = isMoved || body.template !== undefined || body.enabled === true;
    const change = {
      ...body,
      ...(isMoved && { target }),
      // Who changes what is sent answers for it.
      ...(isSaid && { scopes: [...requirePrincipal(response).scopes] }),
    };
    response.json(hookView(hooks.change(found, change)));
  });

  router.post('/:id/rotate', async (request: OfHook, response) => {
    const { target, template: text } = find(request, response);
    await admit(services, response, { target, text });
    const { hook, secret } = hooks.rotate(requireVersion(request, response), [...requirePrincipal(response).scopes]);
    response.json({ ...hookView(hook), path: pathOf(hook), secret });
  });

  router.delete('/:id', (request: OfHook, response) => {
    const hook = requireVersion(request, response);
    hooks.remove(hook);
    response.json({ success: true, id: hook.hookId });
  });
}

/** Its text is checked as a prompt is, and counts towards the limit of prompts when it is sent. */
async function admit(
  services: RouteServices,
  response: Response,
  { target, text }: { target: Target; text: string },
): Promise<void> {
  const principal = requirePrincipal(response);
  const prompted = { text, field: 'template' };
  const at = () => placeOf(target);
  await admitPrompt(services, { principal, device: deviceOf(principal), prompted, isCounted: false, at });
}

const pathOf = ({ hookId }: HookRecord): string => `/api/hooks/${hookId}`;

/** Of what a person has said: it is used without one. */
const versionOfHook = ({ lastUsedAt: _used, ...said }: HookRecord): string => versionOf(said);

/** What another program sends. */
function addDelivery(router: Router, services: RouteServices): void {
  router.post('/:id', async (request: Request<{ id: string }>, response) => {
    const hook = await requireHook(services, request);
    const entry = { action: 'prompt', userId: hook.userId, deviceId: hook.hookId } as const;
    try {
      if (hook.disabled) throw new CompanionError('CONFLICT', 'This hook is off.');
      const body = readBody('deliverHook', request);
      const isPing = hook.signature === 'github' && request.get('x-github-event') === 'ping';
      const text = isPing ? undefined : promptOf(hook.template, body);
      if (text === undefined) return void response.status(202).json({ accepted: false });
      const { promptId, sessionId } = await deliver(services, hook, {
        text,
        requestId: requestIdOf(request),
        trace: traceOf(response),
      });
      services.hooks.used(hook);
      auditHttp(services, response, { ...entry, sessionId, digest: digestOf(text) });
      response.status(202).json({ accepted: true, promptId });
    } catch (error) {
      auditHttp(services, response, { ...entry, outcome: toCompanionError(error).code });
      throw error;
    }
  });
}

/** The hook whose secret the sender knows. Rejects with `UNAUTHORIZED`, whatever is wrong, and counts the attempt. */
async function requireHook({ hooks, admission }: RouteServices, request: Request<{ id: string }>): Promise<HookRecord> {
  const hook = hooks.find(request.params.id);
  const bearer = /^Bearer (.+)$/i.exec(request.get('authorization') ?? '')?.[1];
  const shown = { bearer, signature: request.get('x-hub-signature-256'), body: signedBodyOf(request) };
  if (hook && hooks.isShown(hook, shown)) return hook;
  await admission.failed('bearer', request);
  throw unauthorized('There is no such hook, or this is not its secret.');
}

const deliver = async (
  services: RouteServices,
  { hookId, userId, scopes, target }: HookRecord,
  { text, ...sent }: { text: string; requestId: string; trace: string | undefined },
): Promise<{ promptId: PromptId; sessionId: string }> => {
  const device = { userId, deviceId: hookId as DeviceId };
  const principal: Principal = { userId, credential: 'key', scopes: new Set(scopes) };
  const prompted = { text, field: 'template' };
  await admitPrompt(services, { principal, device, prompted, isCounted: true, at: () => placeOf(target) });
  return sendAutomatic(services, { device, ...sent, target, prompt: text });
};

const GIVEN_ID = new RegExp(`^[\\x21-\\x7e]{1,${MAX_REQUEST_ID}}$`);

/** What makes a delivery that is sent again the same: the ids that senders give it. */
function requestIdOf(request: Request): string {
  const ids = ['idempotency-key', 'x-github-delivery', 'webhook-id'].map((name) => request.get(name));
  return ids.find((id) => id !== undefined && GIVEN_ID.test(id)) ?? randomUUID();
}

const iso = (at: number): string => new Date(at).toISOString();

/** A hook as shown to its person: without its digest. */
function hookView({
  hookId: id,
  name,
  target,
  template,
  signature,
  disabled,
  createdAt,
  createdBy,
  lastUsedAt,
}: HookRecord): HookView {
  return {
    id,
    ...(name !== undefined && { name }),
    ...target,
    template,
    ...(signature && { signature }),
    enabled: !disabled,
    createdAt: iso(createdAt),
    createdBy,
    ...(lastUsedAt !== undefined && { lastUsedAt: iso(lastUsedAt) }),
  };
}
