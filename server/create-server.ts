import { chmodSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { localSocketPath } from '../config/local-socket-path.js';
import { createApp } from '../routes/http/create-app.js';
import type { RouteServices } from '../routes/route-services.js';
import { createGateway, type Gateway } from '../routes/ws/gateway.js';
import type { Identity } from '../services/identity/identity.js';
import { statusOf } from '../services/sessions/session-state.js';
import { createExpiry } from './create-expiry.js';
import { createServices, type ServicesOptions } from './create-services.js';

export interface CompanionServer {
  /** Where HTTP and WebSockets are served. */
  readonly url: string;
  readonly identity: Identity;
  /** Asks the CLI for its login: after the start, for it takes a while. */
  probeClaude(): Promise<void>;
  /** Closes connections with this code, leaves the children running and resolves with how many there are. */
  close(code: number, reason: string): Promise<number>;
}

/** Puts the parts together and serves. */
export async function createServer(options: ServicesOptions): Promise<CompanionServer> {
  const { config, paths, log } = options;
  const { services, status, journal, awake, discardStrays } = await createServices(options, () =>
    remote.gateway.revokeToken(),
  );
  const { registry, identity } = services;
  const { push } = services;
  await push.load();
  await registry.recover();
  push.begin();
  await discardStrays();
  // Turns that an earlier daemon began.
  for (const session of registry.all()) awake.see(session.id, statusOf(session.state));
  const expiry = createExpiry({ registry, ttlMs: config.SESSION_TTL_MS, log });
  const socketPath = localSocketPath(paths.home);
  const local = await serve({ services, local: true, listen: (server) => listenOnSocket(server, socketPath) });
  const remote: Served = await serve({
    services,
    local: false,
    listen: (server) => server.listen(config.PORT, config.HOST),
  });
  return {
    url: urlOf(remote.server, config.HOST),
    identity,
    probeClaude: () => status.probe(),
    close: async (code, reason) => {
      expiry.close();
      awake.close();
      status.close();
      // First: that connections end now does not mean that their devices are away.
      const pushed = push.close();
      const released = registry.release();
      for (const { gateway } of [local, remote]) gateway.close(code, reason);
      const children = await released;
      await Promise.all([local, remote].map(({ server }) => closeServer(server)));
      rmSync(socketPath, { force: true });
      await pushed;
      await journal.close();
      log.info('closed', { children });
      return children;
    },
  };
}

/** The address of the settings cannot be served. */
export class ListenError extends Error {
  constructor(reason: string) {
    super(`HOST and PORT name an address that cannot be served: ${reason}`);
  }
}

interface ServeOptions {
  services: RouteServices;
  local: boolean;
  listen: (server: Server) => void;
}

interface Served {
  server: Server;
  gateway: Gateway;
}

async function serve({ services, local, listen }: ServeOptions): Promise<Served> {
  const server = createHttpServer(createApp({ services, local }));
  const gateway = createGateway(services, { local });
  server.on('upgrade', gateway.upgrade);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(local ? error : new ListenError(error.message)));
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
