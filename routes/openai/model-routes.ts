import { Router } from 'express';
import type { ModelCapabilities, ModelObject } from '../../protocol/openai-views.js';
import { findModel, listModels } from '../../services/commands/models.js';
import { callerOf } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';

type CliModel = Awaited<ReturnType<typeof findModel>>;

/** `/v1/models`: what the person's CLI lists. */
export function createModelRoutes(services: RouteServices): Router {
  const router = Router();

  router.get('/', async (_request, response) => {
    const models = await listModels(services, callerOf(response));
    response.json({ object: 'list', data: models.map(modelObject) });
  });

  router.get('/capabilities', async (_request, response) => {
    const models = await listModels(services, callerOf(response));
    response.json({
      models: models.map(capabilitiesOf),
      total: models.length,
      provider: 'anthropic',
    } satisfies ModelCapabilities);
  });

  router.get('/:id', async (request, response) => {
    const { id: model } = request.params;
    response.json(modelObject(await findModel(services, { caller: callerOf(response), model })));
  });
  return router;
}

const named = ({ id, name, description, resolvedId }: CliModel) => ({
  id,
  name,
  ...(description !== undefined && { description }),
  ...(resolvedId !== undefined && { resolved_id: resolvedId }),
});

const modelObject = (model: CliModel): ModelObject => ({
  ...named(model),
  object: 'model',
  created: 0,
  owned_by: 'anthropic',
});

const capabilitiesOf = (model: CliModel): ModelCapabilities['models'][number] => ({
  ...named(model),
  effort_levels: [...(model.effortLevels ?? [])],
  supports_streaming: true,
  supports_tools: true,
  supports_vision: true,
});
