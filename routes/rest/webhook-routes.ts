import { type Request, type Response, Router } from 'express';
import type { WebhookDeliveryView, WebhookView } from '../../protocol/webhooks.js';
import { requireSubject } from '../../services/commands/webhooks.js';
import { pageOf } from '../../services/model/list-page.js';
import type { WebhookDelivery, WebhookRecord } from '../../services/ports/webhooks.js';
import { previousUntil } from '../../services/push/webhooks/signatures.js';
import { guardOf, isKnown, versionOf } from '../http/conditional.js';
import { deviceOf, readBody, readQuery, requirePrincipal } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';

type OfWebhook = Request<{ id: string }>;
type OfDelivery = Request<{ id: string; deliveryId: string }>;

/** `/api/webhooks`: those of the caller's person. */
export function createWebhookRoutes(services: RouteServices): Router {
  const { webhooks } = services;
  const router = Router();
  const view = (webhook: WebhookRecord) => webhookView(webhook, services.now());

  router.get('/', (request, response) => {
    const query = readQuery('listWebhooks', request);
    const placeIn = ({ createdAt: number, webhookId: key }: WebhookRecord) => ({ number, key });
    const all = webhooks.list(requirePrincipal(response).userId);
    const { items, page } = pageOf(all, { ...query, name: 'webhooks', placeOf: placeIn });
    response.json({ webhooks: items.map(view), ...page });
  });

  router.post('/', async (request, response) => {
    const { sessionIds, project, ...body } = readBody('createWebhook', request);
    const device = deviceOf(requirePrincipal(response));
    const subject = await requireSubject(services, device, { sessionIds, project, base: services.firstRoot });
    const { userId, deviceId: createdBy } = device;
    const { webhook, secret } = await webhooks.add({ ...body, ...subject, userId, createdBy });
    response
      .status(201)
      .location(`/api/webhooks/${webhook.webhookId}`)
      .json({ ...view(webhook), secret });
  });

  addWebhookRoutes(router, services, view);
  addDeliveryRoutes(router, services);
  return router;
}

const finder =
  ({ webhooks }: RouteServices) =>
  (request: OfWebhook, response: Response) =>
    webhooks.require(requirePrincipal(response).userId, request.params.id);

/** A single webhook. */
function addWebhookRoutes(
  router: Router,
  services: RouteServices,
  view: (webhook: WebhookRecord) => WebhookView,
): void {
  const { webhooks } = services;
  const find = finder(services);
  const guard = (request: OfWebhook, response: Response) =>
    guardOf(request, () => versionOfWebhook(find(request, response)));

  router.get('/:id', (request: OfWebhook, response) => {
    const found = find(request, response);
    const shown = view(found);
    if (!isKnown(response, `${versionOfWebhook(found)}.${versionOf(shown)}`)) response.json(shown);
  });

  router.patch('/:id', async (request: OfWebhook, response) => {
    const change = readBody('changeWebhook', request);
    response.json(view(await webhooks.change(find(request, response), change, guard(request, response))));
  });

  router.delete('/:id', (request: OfWebhook, response) => {
    const found = find(request, response);
    guard(request, response)?.();
    webhooks.remove(found);
    response.json({ success: true, webhookId: found.webhookId });
  });

  router.post('/:id/rotate', (request: OfWebhook, response) => {
    const found = find(request, response);
    guard(request, response)?.();
    const { webhook, secret } = webhooks.rotate(found);
    response.json({ ...view(webhook), secret });
  });
}

/** What a webhook is sent. */
function addDeliveryRoutes(router: Router, services: RouteServices): void {
  const { webhooks } = services;
  const find = finder(services);

  router.post('/:id/test', (request: OfWebhook, response) => {
    response.status(202).json(deliveryView(webhooks.test(find(request, response))));
  });

  router.get('/:id/deliveries', (request: OfWebhook, response) => {
    const query = readQuery('listWebhookDeliveries', request);
    const webhook = find(request, response);
    const placeIn = ({ createdAt: number, deliveryId: key }: WebhookDelivery) => ({ number, key });
    const all = webhooks.deliveries(webhook);
    const { items, page } = pageOf(all, { ...query, name: webhook.webhookId, placeOf: placeIn });
    response.json({ deliveries: items.map(deliveryView), ...page });
  });

  router.post('/:id/deliveries/:deliveryId/replay', (request: OfDelivery, response) => {
    const replayed = webhooks.replay(find(request, response), request.params.deliveryId);
    response.status(202).json(deliveryView(replayed));
  });
}

/** Of what a person has said: whether it is failing changes by itself. */
const versionOfWebhook = ({ failingSince: _failing, ...said }: WebhookRecord): string => versionOf(said);

const iso = (at: number): string => new Date(at).toISOString();

/** A webhook as shown to its person: without its secret. */
function webhookView(webhook: WebhookRecord, now: number): WebhookView {
  const { webhookId, url, events, sessionIds, project, description, enabled, disabled, createdBy } = webhook;
  const { failingSince, rotatedAt } = webhook;
  const until = previousUntil(webhook, now);
  return {
    webhookId,
    url,
    ...(events && { events: [...events] }),
    ...(sessionIds && { sessionIds: [...sessionIds] }),
    ...(project !== undefined && { project }),
    ...(description !== undefined && { description }),
    enabled,
    ...(disabled && { disabledReason: disabled.reason, disabledAt: iso(disabled.at) }),
    ...(failingSince !== undefined && { failingSince: iso(failingSince) }),
    createdAt: iso(webhook.createdAt),
    updatedAt: iso(webhook.updatedAt),
    createdBy,
    ...(rotatedAt !== undefined && { rotatedAt: iso(rotatedAt) }),
    ...(until !== undefined && { previousSecretUntil: iso(until) }),
  };
}

function deliveryView(delivery: WebhookDelivery): WebhookDeliveryView {
  const { deliveryId, webhookId, type, sessionId, state, reason, attempts, createdAt, nextTry, last } = delivery;
  return {
    deliveryId,
    webhookId,
    type,
    ...(sessionId !== undefined && { sessionId }),
    state,
    ...(reason && { reason }),
    attempts,
    createdAt: iso(createdAt),
    ...(state === 'owed' && { nextAttemptAt: iso(nextTry) }),
    ...(last && { lastAttempt: { ...last, at: iso(last.at) } }),
  };
}
