/** The state of the daemon and of the account, and what waits for a person. */
import { listAuditSchema } from '../audit.js';
import { exportTelemetrySchema } from '../telemetry.js';
import { usageQuerySchema } from '../usage.js';
import { listWaitingSchema } from '../waiting.js';
import { type RestRule, reads } from './rules.js';

export const MACHINE_COMMANDS = {
  live: { at: 'GET /live', ...reads('none') },
  health: { at: 'GET /health', ...reads('none') },
  ready: { at: 'GET /ready', ...reads('credential') },
  metrics: { at: 'GET /metrics', ...reads('admin') },
  showOpenApi: { at: 'GET /openapi.json', ...reads('credential') },
  showAsyncApi: { at: 'GET /asyncapi.json', ...reads('credential') },
  showDocs: { at: 'GET /docs', ...reads('credential') },
  showDocument: { at: 'GET /docs/:name', ...reads('credential') },
  listAudit: { at: 'GET /api/audit', ...reads('admin'), query: listAuditSchema },
  showTelemetry: { at: 'GET /api/telemetry', ...reads('admin') },
  showClient: { at: 'GET /api/telemetry/client/:clientId', ...reads('read') },
  exportTelemetry: { at: 'GET /api/telemetry/export', ...reads('admin'), query: exportTelemetrySchema },
  showInfo: { at: 'GET /api/info', ...reads('read') },
  showUsage: { at: 'GET /api/usage', ...reads('read'), query: usageQuerySchema },
  showLimits: { at: 'GET /api/usage/limits', ...reads('read') },
  listWaiting: { at: 'GET /api/waiting', ...reads('read'), query: listWaitingSchema },
} as const satisfies Record<string, RestRule>;
