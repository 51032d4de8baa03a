import { chmodSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Config } from '../config/load-config.js';
import { localSocketPath } from '../config/local-socket-path.js';
import type { Logger } from '../config/logger.js';
import { VERSION } from '../config/version.js';
import { createHostPolicy } from '../routes/access/host-policy.js';
import { createApp } from '../routes/http/create-app.js';
import type { RouteServices } from '../routes/route-services.js';
import { createGateway, type Gateway } from '../routes/ws/gateway.js';
import { AskRunner } from '../services/claude/ask-runner.js';
import { createClaudeLauncher } from '../services/claude/cli-launcher.js';
import { CliStatus } from '../services/claude/cli-status.js';
import { residentBytes } from '../services/claude/process-identity.js';
import { Delivery } from '../services/delivery/delivery.js';
import { Identity } from '../services/identity/identity.js';
import { openRegistryFile } from '../services/identity/registry-file.js';
import { createSqliteCursors } from '../services/journal/sqlite-cursors.js';
import { openDatabase } from '../services/journal/sqlite-database.js';
import { createSqliteJournal } from '../services/journal/sqlite-journal.js';
import type { Publisher } from '../services/ports/publication.js';
import { SessionRegistry } from '../services/sessions/session-registry.js';
import { createSessionSource } from '../services/sessions/session-source.js';
import { SessionStarter } from '../services/sessions/start-session.js';
import { createWorkspace } from '../services/workspace/allowed-roots.js';
import type { HomePaths } from './daemon-home.js';
import { readHealth } from './health.js';

export interface ServerOptions {
  config: Config;
  paths: HomePaths;
  log: Logger;
  /** A local command asked the daemon to stop. */
  onStop: () => void;
}

export interface CompanionServer {
  /** Where HTTP and WebSockets are served. */
  readonly url: string;
  readonly identity: Identity;
  /** Asks the CLI for its version and login: after the start, for it takes a while. */
  probeClaude(): Promise<void>;
  /** Closes connections with this code, leaves the children running and resolves with how many there are. */
  close(code: number, reason: string): Promise<number>;
}

/** Puts the parts together and serves. */
export async function createServer({ config, paths, log, onStop }: ServerOptions): Promise<CompanionServer> {
  const database = openDatabase(paths.journal);
  const journal = createSqliteJournal(database);
  const now = () => Date.now();
  const status = new CliStatus({
    environment: config.childEnvironment,
    ...(config.CLAUDE_PATH !== undefined && { configuredPath: config.CLAUDE_PATH }),
  });
  const launcher = createClaudeLauncher({
    status,
    environment: config.childEnvironment,
    defaults: cliDefaults(config),
    runFolder: paths.run,
  });
  const registry: SessionRegistry = new SessionRegistry({
    journal,
    launcher,
    publisher: lateBound(() => delivery),
    log,
    now,
    maxProcesses: config.MAX_PROCESSES,
  });
  const source = createSessionSource(registry, journal);
  const delivery = new Delivery({ journal, cursors: createSqliteCursors(database), source });
  const workspace = createWorkspace({ roots: config.PROJECT_ROOTS, home: paths.home });
  const authToken = config.AUTH_TOKEN !== undefined && { authToken: config.AUTH_TOKEN };
  const identity = new Identity({ registry: await openRegistryFile(paths.registry), ...authToken });
  await identity.save();
  const services: RouteServices = {
    registry,
    starter: new SessionStarter({ registry, workspace, launcher, allowBypass: config.ALLOW_BYPASS, now }),
    delivery,
    identity,
    journal,
    workspace,
    askRunner: new AskRunner({ status, environment: config.childEnvironment, home: paths.home }),
    hostPolicy: createHostPolicy({ hosts: ownHosts(config), origins: config.ALLOWED_ORIGINS }),
    log,
    version: VERSION,
    maxSessions: config.MAX_PROCESSES,
    queryToken: config.WS_QUERY_TOKEN === 'allow',
    trustProxy: config.TRUST_PROXY,
    firstRoot: config.PROJECT_ROOTS[0] ?? paths.home,
    now,
    claudeCodeVersion: () => status.version(),
    health: () => readHealth({ version: VERSION, home: paths.home, status, journal, registry: () => registry }),
    memoryOf: residentBytes,
    control: {
      stop: async ({ all }) => {
        const children = registry.all().filter(({ pid }) => pid !== undefined).length;
        if (all) await registry.endChildren();
        setImmediate(onStop);
        return { children };
      },
    },
  };
  await registry.recover();
  const socketPath = localSocketPath(paths.home);
  const local = await serve({ services, local: true, listen: (server) => listenOnSocket(server, socketPath) });
  const remote = await serve({ services, local: false, listen: (server) => server.listen(config.PORT, config.HOST) });
  return {
    url: urlOf(remote.server, config.HOST),
    identity,
    probeClaude: () => status.probe(),
    close: async (code, reason) => {
      const children = registry.release();
      for (const { gateway } of [local, remote]) gateway.close(code, reason);
      await Promise.all([local, remote].map(({ server }) => closeServer(server)));
      rmSync(socketPath, { force: true });
      database.close();
      return children;
    },
  };
}

/** Delivery needs sessions and sessions publish to delivery: the publisher is looked up when there is something to say. */
const lateBound = (publisher: () => Publisher): Publisher => ({
  publish: (session, items) => publisher().publish(session, items),
  opened: (session) => publisher().opened(session),
  forgotten: (sessionId) => publisher().forgotten(sessionId),
});

const cliDefaults = (config: Config) => ({
  allowedTools: config.CLAUDE_ALLOWED_TOOLS,
  disallowedTools: config.CLAUDE_DISALLOWED_TOOLS,
  allowBypass: config.ALLOW_BYPASS,
  home: config.home,
  ...(config.CLAUDE_MODEL !== undefined && { model: config.CLAUDE_MODEL }),
  ...(config.CLAUDE_PERMISSION_MODE !== undefined && { permissionMode: config.CLAUDE_PERMISSION_MODE }),
});

const ownHosts = ({ HOST, ALLOWED_HOSTS, PUBLIC_URL }: Config): string[] => [
  HOST,
  ...ALLOWED_HOSTS,
  ...(PUBLIC_URL === undefined ? [] : [new URL(PUBLIC_URL).hostname]),
];

interface ServeOptions {
  services: RouteServices;
  local: boolean;
  listen: (server: Server) => void;
}

async function serve({ services, local, listen }: ServeOptions): Promise<{ server: Server; gateway: Gateway }> {
  const server = createHttpServer(createApp({ services, local }));
  const gateway = createGateway(services, { local });
  server.on('upgrade', gateway.upgrade);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', resolve);
    listen(server);
  });
  return { server, gateway };
}

/** The lock of the home is ours, so a socket that is there belongs to a daemon that is gone. */
function listenOnSocket(server: Server, path: string): void {
  rmSync(path, { force: true });
  server.listen(path, () => chmodSync(path, 0o600));
}

function urlOf(server: Server, host: string): string {
  const { port } = server.address() as AddressInfo;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

const closeServer = (server: Server) =>
  new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
