import cors from 'cors';
import express, { type Express, type RequestHandler } from 'express';
import helmet from 'helmet';
import { CompanionError } from '../../protocol/error-codes.js';
import type { RouteServices } from '../route-services.js';
import { createAuthRoutes } from './auth-routes.js';
import { asOwner, authorise } from './authorise.js';
import { setBodyDeadline } from './body-deadline.js';
import { boundBodies } from './bound-bodies.js';
import { countMalformed, countStranger } from './count-stranger.js';
import { createDeviceRoutes } from './device-routes.js';
import { createFileRoutes } from './file-routes.js';
import { createHealthRoutes } from './health-routes.js';
import { createErrorHandler, readRequestId, requestIdOf } from './http-errors.js';
import { createLocalRoutes } from './local-routes.js';
import { createMetricsRoutes } from './metrics-routes.js';
import { createPermissionRoutes } from './permission-routes.js';
import { findPrincipal } from './principal.js';
import { createPushRoutes } from './push-routes.js';
import { readJson } from './read-json.js';
import { createRememberedRoutes } from './remembered-routes.js';
import { createRootPage } from './root-page.js';
import { createSessionRoutes } from './session-routes.js';
import { createWaitingRoutes } from './waiting-routes.js';

const BODY_LIMIT = '1mb';
const PREFLIGHT_S = 600;

export interface AppOptions {
  services: RouteServices;
  /** Serves the local socket, whose clients are the owner. */
  local: boolean;
}

/** The HTTP side of the daemon. */
export function createApp({ services, local }: AppOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.use(identifyRequest(services));
  app.use(helmet());
  if (!local) app.use(createRootPage(services));
  if (!local) app.use(checkHost(services));
  if (!local) app.use(allowOrigins(services));
  app.use(local ? asOwner(services) : authorise(services));
  app.use(boundBodies(services));
  app.use(createHealthRoutes(services));
  // Before the others, and with a small body limit of its own: a token of a push is a credential for one answer.
  app.use(['/api/sessions', '/api/claude-code/sessions'], createPermissionRoutes(services));
  app.use('/api/auth', createAuthRoutes(services), countMalformed(services));
  // Before the others, because of its larger bodies.
  app.use(['/api/sessions', '/api/claude-code/sessions'], createFileRoutes(services));
  app.use(readJson(BODY_LIMIT));
  app.use(['/api/sessions', '/api/claude-code/sessions'], createSessionRoutes(services));
  app.use(['/api/sessions', '/api/claude-code/sessions'], createRememberedRoutes(services));
  app.use('/api/waiting', createWaitingRoutes(services));
  app.use('/api/push-notifications', createPushRoutes(services));
  app.use('/api/devices', createDeviceRoutes(services));
  app.use(createMetricsRoutes(services));
  if (local) app.use('/local', createLocalRoutes(services));
  app.use((_request, _response, next) => next(new CompanionError('NOT_FOUND', 'There is nothing at this address.')));
  app.use(createErrorHandler(services.log));
  return app;
}

const identifyRequest =
  ({ log }: RouteServices): RequestHandler =>
  (request, response, next) => {
    response.setHeader('X-Request-Id', readRequestId(request));
    const { method } = request;
    const path = loggedPath(request.originalUrl);
    const started = performance.now();
    response.once('finish', () => {
      setBodyDeadline(request);
      const ms = Math.round(performance.now() - started);
      const status = response.statusCode;
      // Unknown clients can send thousands of failing or preflight requests per second, too many for the log.
      const isFlood = (status >= 400 || method === 'OPTIONS') && !findPrincipal(response);
      log[isFlood ? 'debug' : 'info']('http', { requestId: requestIdOf(response), method, path, status, ms });
    });
    next();
  };

const MAX_LOGGED_PATH = 200;

/** Without the query, even with an encoded question mark: it can contain credentials. */
const loggedPath = (url: string): string => (url.split(/\?|%3f/i)[0] ?? '').slice(0, MAX_LOGGED_PATH);

const checkHost =
  (services: RouteServices): RequestHandler =>
  async (request, _response, next) => {
    if (services.hostPolicy.allows(request)) return next();
    await countStranger(services, request);
    const suggestion = 'Name the host in ALLOWED_HOSTS or PUBLIC_URL, or the origin in ALLOWED_ORIGINS.';
    next(new CompanionError('PERMISSION_DENIED', 'This host or origin is not allowed.', { suggestion }));
  };

/** Pages of `ALLOWED_ORIGINS` can read the answers; their credentials are in headers, never in cookies. */
function allowOrigins(services: RouteServices): RequestHandler {
  const allow = cors({
    origin: true,
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposedHeaders: ['X-Request-Id', 'Retry-After', 'RateLimit-Limit', 'RateLimit-Remaining', 'RateLimit-Reset'],
    maxAge: PREFLIGHT_S,
  });
  return async (request, response, next) => {
    if (!services.hostPolicy.mayRead(request)) return next();
    if (request.method === 'OPTIONS') await countStranger(services, request);
    allow(request, response, next);
  };
}
