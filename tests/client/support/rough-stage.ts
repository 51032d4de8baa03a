import { afterEach } from '@jest/globals';
import type { ClientFault, CompanionClient, CompanionClientOptions, ConnectionState } from '../../../client/index.js';
import { createCompanionClient } from '../../../client/index.js';
import type { ClientEvent, UnplacedFrame } from '../../../client/server-frame.js';
import type { ResumedSession } from '../../../protocol/server-frames.js';
import { type RoughConnection, type RoughServer, startRoughServer } from './rough-server.js';
import { until } from './until.js';

/** What a client has told its listeners, oldest first. */
export interface Told {
  events: ClientEvent[];
  frames: UnplacedFrame[];
  resets: { sessionId: string; head: number }[];
  caughtUp: { sessionId: string; seq: number }[];
  states: ConnectionState[];
  faults: ClientFault[];
}

export interface StagedClient {
  client: CompanionClient;
  told: Told;
  /** The seqs of the events that were handed over. */
  seqs: () => number[];
  /** Resolves once so many events were handed over. */
  handed(count: number): Promise<void>;
}

type Options = Partial<Omit<CompanionClientOptions, 'socketPath'>>;

/** Servers and clients of one test file; all are closed after each test. */
export function createRoughStage() {
  const open: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((one) => one.close()));
  });
  const server = async (): Promise<RoughServer> => {
    const started = await startRoughServer();
    open.push(started);
    return started;
  };
  const client = ({ url }: { url: string }, options: Options = {}): StagedClient => {
    const created = createCompanionClient({ reconnect: { minMs: 1, maxMs: 2 }, ...options, url });
    open.push(created);
    return listenTo(created);
  };
  /** A client that is open. */
  const connect = async (options: Options = {}) => {
    const started = await server();
    const staged = client(started, options);
    const first = await started.connection(1);
    first.welcome();
    await until('the client is open', () => staged.client.state.kind === 'open');
    return { server: started, first, ...staged };
  };
  /** A client that is subscribed to session `s`, from its empty beginning. */
  const subscribe = async (options: Options = {}, events = ['*']) => {
    const staged = await connect(options);
    const request = staged.client.subscribe({ events, sessionIds: ['s'] });
    staged.first.subscribed(await staged.first.take('subscribe'), [replay(0)]);
    await request;
    return staged;
  };
  return { server, client, connect, subscribe, keep: (one: { close(): Promise<void> }) => open.push(one) };
}

export function listenTo(client: CompanionClient): StagedClient {
  const told: Told = { events: [], frames: [], resets: [], caughtUp: [], states: [], faults: [] };
  client.on('event', (event) => told.events.push(event));
  client.on('frame', (frame) => told.frames.push(frame));
  client.on('reset', (reset) => told.resets.push(reset));
  client.on('caughtUp', (caughtUp) => told.caughtUp.push(caughtUp));
  client.on('state', (state) => told.states.push(state));
  client.on('error', (fault) => told.faults.push(fault));
  return {
    client,
    told,
    seqs: () => told.events.map(({ seq }) => seq),
    handed: (count) => until(`${count} events were handed over`, () => told.events.length >= count),
  };
}

/** The session `s` goes on from here. */
export const replay = (from: number, head = from): ResumedSession => ({ sessionId: 's', resume: 'replay', from, head });

/** Resolves when everything that was sent before has been received. */
export async function settled({ client }: { client: CompanionClient }, connection: RoughConnection): Promise<void> {
  const ping = client.ping();
  connection.answer(await connection.take('ping'), 'pong', { serverTime: '2025-01-01T00:00:00.000Z' });
  await ping;
}
