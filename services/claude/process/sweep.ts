import { setTimeout as delay } from 'node:timers/promises';
import { isScarcity } from '../../../protocol/failures.js';
import { signalEach, someLive } from './process-identity.js';
import type { ProcessIdentity } from './process-reading.js';
import { findByEnvironment } from './process-table.js';

/** The variables that mark a child and all processes of its tools: by session, and by this child alone. */
export const SESSION_MARKER = 'CLAUDE_COMPANION_SESSION';
export const CHILD_MARKER = 'CLAUDE_COMPANION_CHILD';

const TERM_MS = 500;
const POLL_MS = 25;
const ROUNDS = 20;

export interface Sweep {
  marker: typeof SESSION_MARKER | typeof CHILD_MARKER;
  value: string;
  /** Finds processes without the marker. */
  descendants?: { look(): Promise<readonly ProcessIdentity[]> };
}

/** Retry interval while the machine lacks resources. */
const RETRY_MS = 1000;

/**
 * Ends every process that carries a marker with this value, and the descendants. Signalling the child's group would not
 * suffice: each of the CLI's tools runs in its own process group and session. Repeats, since a process can start others
 * while it is ended. While the machine has no free descriptor or process for the scan, it retries: no process may be
 * left behind for that.
 */
export async function sweep(what: Sweep): Promise<void> {
  for (;;) {
    try {
      return await sweepOnce(what);
    } catch (error) {
      if (!isScarcity(error)) throw error;
      await delay(RETRY_MS);
    }
  }
}

async function sweepOnce(what: Sweep): Promise<void> {
  for (let round = 0; round < ROUNDS; round += 1) {
    const left = await findLeft(what);
    if (left.length === 0) return;
    await endAll(left, round === 0 ? 'SIGTERM' : 'SIGKILL');
  }
}

async function findLeft({ marker, value, descendants }: Sweep): Promise<readonly ProcessIdentity[]> {
  const marked = await findByEnvironment(marker, value);
  // Where the system does not list its processes, only the marker is available.
  const seen = (await descendants?.look().catch(nothingUnlessScarce)) ?? [];
  return [...marked, ...seen];
}

function nothingUnlessScarce(error: unknown): [] {
  if (isScarcity(error)) throw error;
  return [];
}

/** Whether a process with this marker lives outside this group. */
export async function hasMarkedOutside(group: number, { marker, value }: Sweep): Promise<boolean> {
  return (await findByEnvironment(marker, value)).some((row) => row.group !== group);
}

async function endAll(processes: readonly ProcessIdentity[], signal: NodeJS.Signals): Promise<void> {
  await signalEach(processes, signal);
  await waitForEnd(processes, TERM_MS);
}

/** Resolves to true when all have ended within the time, in milliseconds. */
export async function waitForEnd(processes: readonly ProcessIdentity[], withinMs: number): Promise<boolean> {
  for (const until = performance.now() + withinMs; performance.now() < until; await delay(POLL_MS)) {
    if (!(await someLive(processes))) return true;
  }
  return !(await someLive(processes));
}
