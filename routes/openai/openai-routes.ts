import { Router } from 'express';
import type { RouteServices } from '../route-services.js';
import { createChatRoutes } from './chat-routes.js';
import { createMcpRoutes, createSessionToolRoutes } from './mcp-routes.js';
import { createModelRoutes } from './model-routes.js';
import { createProjectRoutes } from './project-routes.js';
import { createResponseRoutes } from './response-routes.js';
import { createSessionObjectRoutes } from './session-routes.js';

/** `/v1`. */
export function createOpenAiRoutes(services: RouteServices): Router {
  const router = Router();
  router.use('/chat', createChatRoutes(services));
  router.use('/responses', createResponseRoutes(services));
  router.use('/models', createModelRoutes(services));
  router.use('/projects', createProjectRoutes(services));
  router.use('/sessions', createSessionObjectRoutes(services), createSessionToolRoutes(services));
  router.use('/mcp/servers', createMcpRoutes(services));
  return router;
}
