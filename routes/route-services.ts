import type { AuditPage } from '../protocol/audit.js';
import type { PairingView } from '../protocol/auth.js';
import type { Health } from '../protocol/rest.js';
import type { LastingAddress } from '../protocol/usage.js';
import type { Hooks } from '../services/automation/hooks.js';
import type { AskRunner } from '../services/claude/ask-runner.js';
import type { PersonalFolders } from '../services/claude/cli/personal-folders.js';
import type { CommandServices } from '../services/commands/command-context.js';
import type { Delivery } from '../services/delivery/delivery.js';
import type { Identity } from '../services/identity/identity.js';
import type { AnswerStore } from '../services/ports/answers.js';
import type { Audit } from '../services/ports/audit.js';
import type { Log } from '../services/ports/log.js';
import type { Schedules } from '../services/ports/schedules.js';
import type { Tracing } from '../services/ports/tracing.js';
import type { Files, FileTrash } from '../services/ports/workspace.js';
import type { PushService } from '../services/push/push-service.js';
import type { Webhooks } from '../services/push/webhooks/webhooks.js';
import type { AuditQuery } from '../services/telemetry/audit-reader.js';
import type { Clients } from '../services/telemetry/clients.js';
import type { Metrics } from '../services/telemetry/metrics.js';
import type { Admission } from './access/admission.js';
import type { BodyBudget } from './access/body-budget.js';
import type { HostPolicy } from './access/host-policy.js';
import type { ConsoleFiles } from './http/console-files.js';
import type { AgentWaits } from './mcp/agent-waits.js';
import type { EventStreams } from './sse/event-streams.js';

/** The services that the routes use. */
export interface RouteServices extends CommandServices {
  delivery: Delivery;
  identity: Identity;
  push: PushService;
  files: Files;
  /** The files that were deleted. */
  trash: FileTrash;
  /** To requests with a key of their client. */
  answers: AnswerStore;
  schedules: Schedules;
  hooks: Hooks;
  webhooks: Webhooks;
  askRunner: AskRunner;
  personalFolders: PersonalFolders;
  hostPolicy: HostPolicy;
  admission: Admission;
  /** The memory held by bodies. */
  bodies: BodyBudget;
  eventStreams: EventStreams;
  agentWaits: AgentWaits;
  log: Log;
  audit: Audit;
  /** A page of the audit log, of all people or of one. Rejects with `INVALID_REQUEST` for a cursor that is none. */
  readAudit: (query: AuditQuery) => Promise<AuditPage>;
  version: string;
  maxSessions: number;
  /** Whether `?token=` is accepted. */
  queryToken: boolean;
  /** Maximum number of compressed WebSockets. */
  compressedConnections: number;
  /** First of the allowed roots: relative paths start there. */
  firstRoot: string;
  claudeCodeVersion: () => Promise<string | undefined>;
  health: () => Promise<Health>;
  /** Where the documents for clients are. */
  docsFolder: string;
  consoleFiles: ConsoleFiles;
  metrics: Metrics;
  /** Undefined: nothing is traced. */
  tracing: Tracing | undefined;
  /** The connected WebSocket clients. */
  clients: Clients;
  memoryOf: (pid: number) => Promise<number | undefined>;
  /** The data that a person needs to pair a device with a code. */
  pairingOf: (opened: { code: string; expiresAt: number; browser?: boolean }) => Promise<PairingView>;
  /** Under which the daemon can be found tomorrow too. */
  lastingAddresses: () => Promise<LastingAddress[]>;
  /** Actions of local commands on the daemon itself. */
  control: { stop: (options: { all: boolean }) => Promise<{ children: number }> };
}
