import { startWorker, type Worker } from './worker.js';

/** How clients of a server come in. */
export type Entrance =
  | { kind: 'ws' | 'socket.io'; port: number }
  | { kind: 'companion'; port: number; token: string; sessionIds: string[]; events: string[]; device: string };

export interface Credits {
  fifo: string;
  /** Pieces for each of them. */
  batch: number;
  writes: number;
}

export interface CountOptions {
  /** Pieces. */
  perClient?: number;
  credits?: Credits;
  /** `events`, where nothing else is said. */
  kind?: 'events' | 'deltas';
  /** Of each delta. */
  textBytes?: number;
}

export interface Counted {
  /** Events, or deltas however many of them came in one frame. */
  pieces: number;
  frames: number;
  /** Of payloads. */
  bytes: number;
  /** From the beginning to the last frame of all. */
  ms: number;
  /** Share of one core that the clients themselves used. */
  busy: number;
}

export interface Resumed {
  /** From the request for the upgrade to the arrival of `caughtUp`. */
  ms: number;
  /** Frames and bytes by type. */
  types: Record<string, { count: number; bytes: number }>;
}

/** Many clients in a process of their own. */
export interface Crowd {
  readonly pid: number;
  /** Adds clients. */
  open(entrance: Entrance, count: number): Promise<void>;
  /** Resolves when counting has begun. Without `perClient` it ends when each client has seen the end of a turn. */
  count(options: CountOptions): Promise<void>;
  counted(): Promise<Counted>;
  /** Begins to note down how old frames are when they come. */
  time(): Promise<void>;
  timedCount(): Promise<number>;
  /** Milliseconds, all since `time`. */
  timed(): Promise<Float64Array>;
  /** The last clients stop reading. */
  stall(count: number): Promise<void>;
  /** How many have been closed by the server. */
  closed(): Promise<number>;
  closeClients(): Promise<void>;
  resume(options: { port: number; token: string; device: string }): Promise<Resumed>;
  close: Worker['close'];
}

export function openCrowd(): Crowd {
  const worker = startWorker({ file: 'clients.mjs', side: 'load' });
  return {
    pid: worker.pid,
    open: (entrance, count) => worker.ask({ type: 'open', count, ...entrance }),
    count: (options) => worker.ask({ type: 'count', ...options }),
    counted: () => worker.ask({ type: 'counted' }),
    time: () => worker.ask({ type: 'time' }),
    timedCount: () => worker.ask({ type: 'timedCount' }),
    timed: () => worker.ask({ type: 'timed' }),
    stall: (count) => worker.ask({ type: 'stall', count }),
    closed: () => worker.ask({ type: 'closed' }),
    closeClients: () => worker.ask({ type: 'close' }),
    resume: (options) => worker.ask({ type: 'resume', ...options }),
    close: worker.close,
  };
}
