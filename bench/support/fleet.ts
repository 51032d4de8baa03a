/** Many sessions at a time, each with a CLI of its own that has nothing to do. */
import type { SessionView } from '../../protocol/rest.js';
import { availableMemory } from '../../services/machine/machine-room.js';
import type { Daemon } from '../../tests/support/daemon.js';
import { openBenchSocket } from './bench-socket.js';
import { sleep, within } from './clock.js';
import { openHeldSession } from './held-session.js';
import type { Stage } from './stage.js';

export interface LiveSession {
  sessionId: string;
  /** Of its CLI. */
  pid: number;
}

const MIB = 1024 * 1024;
const CHILD_BYTES = 300 * MIB;
/** Left to all that is no CLI. */
const SPARE_BYTES = 1536 * MIB;
const POLL_MS = 10;
const LIVE_MS = 60_000;

/** What a daemon needs for a fleet, whatever the machine's size. */
export const FLEET_ENVIRONMENT = { MAX_PROCESSES: '64' };

/** As many CLIs as there is memory for now, at least one and at most as many as are wanted. */
export async function fleetSize(wanted: number): Promise<number> {
  const room = Math.floor(((await availableMemory()) - SPARE_BYTES) / CHILD_BYTES);
  return Math.max(1, Math.min(wanted, room));
}

/** To be said where there are fewer than the goal is about. */
export const sizeNote = (count: number, wanted: number): string => (count < wanted ? ` (no memory for ${wanted})` : '');

/** Opens sessions in directories of their own; each has had a turn, and its CLI waits for the next. */
export async function openFleet({ daemon }: Stage, count: number): Promise<void> {
  const socket = await openBenchSocket(daemon);
  for (let nth = 0; nth < count; nth += 1) {
    await openHeldSession(socket, daemon.project()).turn('Say something short.');
  }
  await socket.close();
  await untilLive(daemon, count);
}

export async function sessionsOf(daemon: Daemon): Promise<SessionView[]> {
  const response = await daemon.fetch('/api/sessions?limit=100');
  return ((await response.json()) as { sessions: SessionView[] }).sessions;
}

/** Resolves when so many sessions have a CLI. */
export function untilLive(daemon: Daemon, count: number): Promise<LiveSession[]> {
  const live = async (): Promise<LiveSession[]> => {
    for (;;) {
      const sessions = await sessionsOf(daemon);
      const found = sessions.flatMap(({ id, pid }) => (pid === undefined ? [] : [{ sessionId: id, pid }]));
      if (found.length >= count) return found;
      await sleep(POLL_MS);
    }
  };
  return within(live(), LIVE_MS, `${count} live sessions`);
}
