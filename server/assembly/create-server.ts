import { existsSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, type Server, type ServerOptions } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname } from 'node:path';
import { checkSocketFolder, localSocketPath, sharedSocketFolder } from '../../config/local-socket-path.js';
import type { PairingView } from '../../protocol/auth.js';
import { createApp } from '../../routes/http/create-app.js';
import { asksForWebSocket, boundPipeline, ignoreUpgrade } from '../../routes/http/server-limits.js';
import { refuseBlockedClients } from '../../routes/http/stranger-limits.js';
import type { RouteServices } from '../../routes/route-services.js';
import { createGateway, type Gateway } from '../../routes/ws/gateway.js';
import { SESSION_MARKER, sweep } from '../../services/claude/process/sweep.js';
import { type IsVoid, usualScopes } from '../../services/identity/principal.js';
import type { KeepAwake } from '../../services/machine/keep-awake.js';
import type { UserId } from '../../services/ports/records.js';
import { statusOf } from '../../services/sessions/machine/session-state.js';
import type { SessionRegistry } from '../../services/sessions/session-registry.js';
import { ListenError, listenError } from '../listen-error.js';
import type { TlsFiles } from '../tls-files.js';
import { createExpiry } from './create-expiry.js';
import { createServices, type ServicesOptions } from './create-services.js';

export interface CompanionServer {
  /** The address of HTTP and WebSockets. */
  readonly url: string;
  /** The TCP port. */
  readonly port: number;
  /** Whether any credential exists. */
  readonly hasCredential: boolean;
  /** Creates a code that pairs a device of the owner's. */
  invite(): Promise<PairingView>;
  /**
   * Asks the CLI for its login, and resolves with problems and their remedies: after the start, since it takes a while.
   * Never rejects.
   */
  findProblems(): Promise<string[]>;
  /** Closes connections with this code, leaves the children running and resolves with their number. */
  close(code: number, reason: string): Promise<number>;
}

/** Assembles the parts and serves. */
export async function createServer(options: ServicesOptions): Promise<CompanionServer> {
  const { config, paths, tls, log } = options;
  const { services, status, journal, awake, scheduler, quiet, discardStrays } = await createServices(options, {
    onRevoked: (isVoid) => remote?.expel(isVoid),
    servedAt: () => remote?.url ?? '',
  });
  let remote: Network | undefined;
  const { registry, push, webhooks } = services;
  await recover(services, { discardStrays, awake });
  scheduler.begin();
  const expiry = createExpiry({ registry, ttlMs: config.SESSION_TTL_MS, log });
  const socketPath = localSocketPath(paths.home);
  const local = await serve({ services, local: true, listen: (server) => listenOnSocket(server, socketPath) });
  const served = await serveNetwork(services, options);
  remote = served;
  return {
    url: served.url,
    port: served.port,
    hasCredential: services.identity.hasCredential,
    invite: () => inviteOwner(services),
    findProblems: () => findProblems(status, services),
    close: async (code, reason) => {
      expiry.close();
      quiet();
      // First: connections that end now do not make their devices count as away.
      const pushed = push.close();
      const unscheduled = scheduler.close();
      const told = webhooks.close();
      const released = registry.release();
      const unasked = Promise.all([services.askRunner.close(), services.repositories.close()]);
      for (const { gateway } of [local, served]) gateway.close(code, reason);
      services.eventStreams.close();
      const children = await released;
      if (!existsSync(paths.run)) await endUnreachable(registry);
      const closed = [local, served].map(({ server }) => closeServer(server));
      tls?.endHandshakes();
      await Promise.all(closed);
      if (!isFolder(socketPath)) rmSync(socketPath, { force: true });
      await Promise.all([pushed, unasked, unscheduled, told]);
      await journal.close();
      log.info('the server is closed', { children });
      return children;
    },
  };
}

interface Recovering {
  discardStrays: () => Promise<void>;
  awake: KeepAwake;
}

/** Takes up what an earlier daemon has left. */
async function recover(
  { registry, push, webhooks, identity }: RouteServices,
  { discardStrays, awake }: Recovering,
): Promise<void> {
  push.load();
  webhooks.load();
  await registry.recover();
  push.begin();
  webhooks.begin((userId) => identity.people.find(userId) !== undefined);
  await discardStrays();
  // Turns of an earlier daemon.
  for (const session of registry.all()) awake.see(session.id, statusOf(session.state));
}

/**
 * Their files are gone with the home: no daemon could adopt them, and the next one would start others in the same
 * directories. Resolves when they, and the processes of their tools, have ended.
 */
async function endUnreachable(registry: SessionRegistry): Promise<void> {
  const left = registry.all().filter(({ pid }) => pid !== undefined);
  await Promise.all(left.map(({ id }) => sweep({ marker: SESSION_MARKER, value: id })));
}

async function findProblems(status: { probe(): Promise<void> }, { health }: RouteServices): Promise<string[]> {
  try {
    await status.probe();
    return Object.values((await health()).remedies ?? {});
  } catch (error) {
    return [`The health check failed: ${String(error)}`];
  }
}

async function inviteOwner({ identity, pairingOf }: RouteServices): Promise<PairingView> {
  const { userId, role } = identity.people.owner;
  return pairingOf(identity.codes.create({ userId: userId as UserId, scopes: usualScopes(role) }));
}

interface ServeOptions {
  services: RouteServices;
  local: boolean;
  tls?: TlsFiles | undefined;
  listen: (server: Server) => void;
  /** Turns an error of `listen` into a readable one. */
  explain?: (error: Error) => Promise<Error>;
}

interface Served {
  server: Server;
  gateway: Gateway;
}

const asIs = (error: Error): Promise<Error> => Promise.resolve(error);

/** A head fits one packet. A slower client holds a socket, for which it needs no credential. */
const HEAD_MS = 10_000;
/** Time for the largest body over a slow network; unknown clients get `setBodyDeadline`. */
const REQUEST_MS = 120_000;
const CHECK_MS = 5000;
/** Ends a connection without progress, such as an unread answer. WebSockets have heartbeats instead. */
const STILL_MS = 60_000;

const PATIENCE: ServerOptions = {
  headersTimeout: HEAD_MS,
  requestTimeout: REQUEST_MS,
  connectionsCheckingInterval: CHECK_MS,
};

async function serve({ services, local, tls, listen, explain = asIs }: ServeOptions): Promise<Served> {
  const app = createApp({ services, local });
  const listener = boundPipeline(local ? app : refuseBlockedClients(services, app));
  const server = tls ? tls.createServer(PATIENCE, listener) : createHttpServer(PATIENCE, listener);
  if (!local) server.timeout = STILL_MS;
  const gateway = createGateway(services, { local });
  server.on('upgrade', (request, stream, head) => {
    if (asksForWebSocket(request)) gateway.upgrade(request, stream, head);
    else ignoreUpgrade(server, { request, stream, head });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => void explain(error).then(reject));
    server.once('listening', resolve);
    listen(server);
  });
  return { server, gateway };
}

/**
 * The daemon holds the home's lock, so an existing socket belongs to a dead daemon. It can be in a folder that others
 * can reach: they must not connect between its creation and a change of its mode.
 */
function listenOnSocket(server: Server, path: string): void {
  if (dirname(path) === sharedSocketFolder()) mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  checkSocketFolder(path);
  if (isFolder(path)) throw new ListenError(`${path} is a folder in the place of the local socket. Move it away.`);
  rmSync(path, { force: true });
  const umask = process.umask(0o177);
  try {
    server.listen(path);
  } finally {
    process.umask(umask);
  }
}

const isFolder = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

interface Network extends Served {
  url: string;
  /** The TCP port. */
  port: number;
  /** Ends the connections and event streams of invalid credentials. */
  expel: (isVoid: IsVoid) => void;
}

async function serveNetwork(services: RouteServices, { config, tls }: ServicesOptions): Promise<Network> {
  const { HOST: host, PORT } = config;
  const served = await serve({
    services,
    local: false,
    tls,
    listen: (server) => server.listen(PORT, host),
    explain: (error) => listenError(error, { host, port: PORT }),
  });
  const { port } = served.server.address() as AddressInfo;
  const expel = (isVoid: IsVoid) => {
    for (const one of [served.gateway, services.eventStreams]) one.expel(isVoid);
  };
  return { ...served, port, url: urlOf({ host, port, isTls: tls !== undefined }), expel };
}

interface Address {
  host: string;
  port: number;
  isTls: boolean;
}

const urlOf = ({ host, port, isTls }: Address): string =>
  `${isTls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;

const closeServer = (server: Server) =>
  new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
