import type { Entrance } from './crowd.js';
import { startWorker, type Worker } from './worker.js';

/** A server that sends the same to all, with nothing but its package. */
export interface ReferenceServer {
  readonly pid: number;
  readonly entrance: Entrance;
  /** As fast as the clients take them. */
  flood(load: { count: number; bytes: number }): Promise<void>;
  /** At a fixed rate, with the time in each. */
  pace(load: { count: number; bytes: number; perSecond: number }): Promise<void>;
  close: Worker['close'];
}

const FILES = { ws: 'plain-ws-server.mjs', 'socket.io': 'socket-io-server.mjs' };

export async function startReferenceServer(
  kind: 'ws' | 'socket.io',
  environment: Record<string, string> = {},
): Promise<ReferenceServer> {
  const worker = startWorker({ file: FILES[kind], side: 'server', environment });
  const port = await worker.ask<number>({ type: 'listen' });
  return {
    pid: worker.pid,
    entrance: { kind, port },
    flood: (load) => worker.ask({ type: 'flood', ...load }),
    pace: (load) => worker.ask({ type: 'pace', ...load }),
    close: worker.close,
  };
}
