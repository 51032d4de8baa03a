import cors from 'cors';
import express, { type Express, type Request, type RequestHandler } from 'express';
import helmet from 'helmet';
import { CompanionError } from '../../protocol/error-codes.js';
import type { Metrics } from '../../services/telemetry/metrics.js';
import { findRoute } from '../access/find-route.js';
import { createMcpRoutes } from '../mcp/mcp-routes.js';
import { createOpenAiRoutes } from '../openai/openai-routes.js';
import { createAuditRoutes } from '../rest/audit-routes.js';
import { createAuthRoutes } from '../rest/auth-routes.js';
import { createBudgetRoutes } from '../rest/budget-routes.js';
import { createDeviceRoutes } from '../rest/device-routes.js';
import { createDocsRoutes } from '../rest/docs-routes.js';
import { createFileRoutes } from '../rest/file-routes.js';
import { createHealthRoutes, createMetricsRoutes } from '../rest/health-routes.js';
import { createConversationRoutes, createHistoryRoutes } from '../rest/history-routes.js';
import { createHookRoutes } from '../rest/hook-routes.js';
import { createKeyRoutes, createLocalKeyRoutes } from '../rest/key-routes.js';
import { createLocalRoutes } from '../rest/local-routes.js';
import {
  createOpenPermissionRoutes,
  createPermissionRoutes,
  createRememberedRoutes,
} from '../rest/permission-routes.js';
import { createPlaceRoutes } from '../rest/project-routes.js';
import { createPromptRoutes } from '../rest/prompt-routes.js';
import { createPushRoutes } from '../rest/push-routes.js';
import { createRootPage } from '../rest/root-page.js';
import { createScheduleRoutes } from '../rest/schedule-routes.js';
import { createSearchRoutes } from '../rest/search-routes.js';
import { createSessionRoutes } from '../rest/session-routes.js';
import { createTaskRoutes } from '../rest/task-routes.js';
import { createTelemetryRoutes } from '../rest/telemetry-routes.js';
import { createUsageRoutes } from '../rest/usage-routes.js';
import { createWaitingRoutes } from '../rest/waiting-routes.js';
import { createWebhookRoutes } from '../rest/webhook-routes.js';
import type { RouteServices } from '../route-services.js';
import { createPersonStreamRoutes, createStreamRoutes } from '../sse/stream-routes.js';
import { asOwner, authorise } from './authorise.js';
import { boundBodies, readBodies, setBodyDeadline } from './bodies.js';
import { compressAnswers } from './compress.js';
import { createErrorHandler, readRequestId, requestIdOf } from './http-errors.js';
import { findPrincipal } from './request-context.js';
import { endRefused, runOnce } from './run-once.js';
import { countMalformed, countStranger } from './stranger-limits.js';
import { traceRequests } from './trace-requests.js';

const PREFLIGHT_S = 600;
const SESSIONS = ['/api/sessions', '/api/claude-code/sessions'];

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
  app.use(helmet(), askAgain);
  if (!local) app.use(createRootPage(services));
  if (!local) app.use(checkHost(services));
  if (!local) app.use(allowOrigins(services));
  if (!local) app.use(services.consoleFiles.routes());
  app.use(local ? asOwner(services) : authorise(services));
  if (services.tracing) app.use(traceRequests(services.tracing));
  if (!local) app.use(compressAnswers());
  app.use(boundBodies(services));
  app.use(createHealthRoutes(services), createDocsRoutes(services));
  app.use(readBodies(), runOnce(services));
  addRoutes(app, services);
  if (local) app.use('/local', createLocalRoutes(services));
  if (local) app.use('/local/keys', createLocalKeyRoutes(services));
  app.use((_request, _response, next) => next(new CompanionError('NOT_FOUND', 'There is nothing at this address.')));
  app.use(endRefused, createErrorHandler(services.log));
  return app;
}

function addRoutes(app: Express, services: RouteServices): void {
  app.use('/api/auth', createAuthRoutes(services), countMalformed(services));
  app.use(
    SESSIONS,
    createSessionRoutes(services),
    createPromptRoutes(services),
    createPermissionRoutes(services),
    createOpenPermissionRoutes(services),
    createFileRoutes(services),
    createTaskRoutes(services),
    createRememberedRoutes(services),
    createStreamRoutes(services),
    createHistoryRoutes(services),
  );
  app.use('/v1', createOpenAiRoutes(services));
  app.use('/mcp', createMcpRoutes(services));
  app.use('/api/stream', createPersonStreamRoutes(services));
  app.use('/api/conversations', createConversationRoutes(services));
  app.use('/api/search', createSearchRoutes(services));
  app.use('/api', createAuditRoutes(services));
  app.use('/api', createUsageRoutes(services));
  app.use('/api/projects', createPlaceRoutes(services));
  app.use('/api/waiting', createWaitingRoutes(services));
  app.use('/api/push-notifications', createPushRoutes(services));
  app.use('/api/hooks', createHookRoutes(services));
  app.use('/api/schedules', createScheduleRoutes(services));
  app.use('/api/webhooks', createWebhookRoutes(services));
  app.use('/api/devices', createDeviceRoutes(services));
  app.use('/api/keys', createKeyRoutes(services));
  app.use('/api/budgets', createBudgetRoutes(services));
  app.use(createMetricsRoutes(services));
  app.use('/api/telemetry', createTelemetryRoutes(services));
}

const identifyRequest =
  ({ log, metrics }: RouteServices): RequestHandler =>
  (request, response, next) => {
    response.setHeader('X-Request-Id', readRequestId(request));
    const { method } = request;
    const path = loggedPath(request.originalUrl);
    const started = performance.now();
    response.once('finish', () => {
      setBodyDeadline(request);
      const took = performance.now() - started;
      const ms = Math.round(took);
      const status = response.statusCode;
      measure(metrics, { request, status, seconds: took / 1000 });
      // Unknown clients can send thousands of failing or preflight requests per second, too many for the log.
      const isFlood = (status >= 400 || method === 'OPTIONS') && !findPrincipal(response);
      log[isFlood ? 'debug' : 'info']('http', { requestId: requestIdOf(response), method, path, status, ms });
    });
    next();
  };

interface Answered {
  request: Request;
  status: number;
  seconds: number;
}

/** By the route's pattern and known methods: what clients make up would make as many series. */
function measure({ requests, requestSeconds }: Metrics, { request, status, seconds }: Answered): void {
  const path = request.originalUrl.split('?')[0] ?? '';
  const rule = findRoute(request.method, path);
  const labels = { method: rule?.method ?? 'other', route: rule?.path ?? 'none' };
  requests.inc({ ...labels, status: String(status) });
  requestSeconds.observe(labels, seconds);
}

const MAX_LOGGED_PATH = 200;

/** Without the query, even with an encoded question mark: it can contain credentials. */
const loggedPath = (url: string): string => (url.split(/\?|%3f/i)[0] ?? '').slice(0, MAX_LOGGED_PATH);

/**
 * Every answer is one person's: kept for them alone, and asked for again before it is used. Who asks for a version with
 * `no-cache` gets 304 as well, since nothing between here and the client has answered: `fetch` always says so
 * (https://fetch.spec.whatwg.org/#http-network-or-cache-fetch), and express would send the whole.
 */
const askAgain: RequestHandler = (request, response, next) => {
  if (request.headers['if-none-match'] !== undefined) delete request.headers['cache-control'];
  response.setHeader('Cache-Control', 'private, no-cache');
  next();
};

const checkHost =
  (services: RouteServices): RequestHandler =>
  async (request, _response, next) => {
    if (services.hostPolicy.allows(request)) return next();
    await countStranger(services, request);
    const suggestion = 'Name the host in ALLOWED_HOSTS or PUBLIC_URL, or the origin in ALLOWED_ORIGINS.';
    next(new CompanionError('PERMISSION_DENIED', 'This host or origin is not allowed.', { suggestion }));
  };

const EXPOSED_HEADERS = [
  'X-Request-Id',
  'Retry-After',
  'RateLimit-Limit',
  'RateLimit-Remaining',
  'RateLimit-Reset',
  'ETag',
  'Allow',
  'Idempotent-Replayed',
  'Mcp-Session-Id',
  'WWW-Authenticate',
];

/** Pages of `ALLOWED_ORIGINS` can read the answers; their credentials are in headers, never in cookies. */
function allowOrigins(services: RouteServices): RequestHandler {
  const allow = cors({
    origin: true,
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposedHeaders: EXPOSED_HEADERS,
    maxAge: PREFLIGHT_S,
  });
  return async (request, response, next) => {
    if (!services.hostPolicy.mayRead(request)) return next();
    if (request.method === 'OPTIONS') await countStranger(services, request);
    allow(request, response, next);
  };
}
