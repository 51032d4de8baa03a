import type { Health } from '../protocol/rest.js';
import type { AskRunner } from '../services/claude/ask-runner.js';
import type { Delivery } from '../services/delivery/delivery.js';
import type { Identity } from '../services/identity/identity.js';
import type { Journal } from '../services/ports/journal.js';
import type { Log } from '../services/ports/log.js';
import type { Workspace } from '../services/ports/workspace.js';
import type { PushService } from '../services/push/push-service.js';
import type { SessionRegistry } from '../services/sessions/session-registry.js';
import type { SessionStarter } from '../services/sessions/start-session.js';
import type { Metrics } from '../services/telemetry/metrics.js';
import type { HostPolicy } from './access/host-policy.js';

/** What the routes are given to work with. */
export interface RouteServices {
  registry: SessionRegistry;
  starter: SessionStarter;
  delivery: Delivery;
  identity: Identity;
  push: PushService;
  journal: Journal;
  workspace: Workspace;
  askRunner: AskRunner;
  hostPolicy: HostPolicy;
  log: Log;
  version: string;
  maxSessions: number;
  /** Whether `?token=` is accepted. */
  queryToken: boolean;
  trustProxy: boolean;
  /** First of the allowed roots: where relative paths begin. */
  firstRoot: string;
  now: () => number;
  claudeCodeVersion: () => Promise<string | undefined>;
  health: () => Promise<Health>;
  metrics: Metrics;
  memoryOf: (pid: number) => number | undefined;
  /** What local commands may do to the daemon itself. */
  control: { revokeToken: () => void; stop: (options: { all: boolean }) => Promise<{ children: number }> };
}
