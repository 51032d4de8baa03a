import { afterEach } from '@jest/globals';
import type { ClientFault, CompanionClient, CompanionClientOptions, ConnectionState } from '../../../client/index.js';
import { createCompanionClient } from '../../../client/index.js';
import type { ClientEvent, UnplacedFrame } from '../../../client/server-frame.js';
import { type RoughServer, startRoughServer } from './rough-server.js';

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
  return { server, client, keep: (one: { close(): Promise<void> }) => open.push(one) };
}

export function listenTo(client: CompanionClient): StagedClient {
  const told: Told = { events: [], frames: [], resets: [], caughtUp: [], states: [], faults: [] };
  client.on('event', (event) => told.events.push(event));
  client.on('frame', (frame) => told.frames.push(frame));
  client.on('reset', (reset) => told.resets.push(reset));
  client.on('caughtUp', (caughtUp) => told.caughtUp.push(caughtUp));
  client.on('state', (state) => told.states.push(state));
  client.on('error', (fault) => told.faults.push(fault));
  return { client, told, seqs: () => told.events.map(({ seq }) => seq) };
}
