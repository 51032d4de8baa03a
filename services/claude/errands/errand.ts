import type { ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { UserId } from '../../ports/records.js';

export type ErrandChild = ChildProcessByStdio<Writable, Readable, null>;

/** Rejects with the reason of a signal. */
export const abortOf = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });

/** What is common to everything that a CLI outside any session is started for. */
export interface ErrandOrder {
  /** The person who asks. */
  person: UserId;
  /** Counted from the request, including the wait for a slot. */
  timeoutMs: number;
  /** Aborted when the asker has disconnected. */
  asker: AbortSignal;
}

export interface IdleErrand {
  /** How long it has had nothing to do, in milliseconds; undefined while it has. */
  readonly idleMs: number | undefined;
  /** Ends it if it has nothing to do. Resolves to whether it ends. */
  hibernate: () => Promise<boolean>;
}

/** One use of a CLI of its own, in an empty folder. */
export interface Errand<Result> extends ErrandOrder {
  /** Bytes that it holds in memory while it waits. */
  bytes: number;
  /** Where it runs, in place of an empty folder. */
  directory?: string | undefined;
  /** Gives its slot to others while it has nothing to do. */
  idle?: IdleErrand | undefined;
  /** The command line. `conversation`: a new uuid. */
  arguments: (conversation: string) => string[];
  /** Talks to the process. Rejects with the reason of `signal` when that comes first, and leaves the process running. */
  talk: (child: ErrandChild, running: { conversation: string; signal: AbortSignal }) => Promise<Result>;
}
