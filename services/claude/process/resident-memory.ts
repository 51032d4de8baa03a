import { residentBytes } from './process-identity.js';

/** A process is read no more often, in milliseconds. */
const FRESH_MS = 1000;
/** Read anew when there are more: those of processes that have ended stay until then. */
const MAX_KNOWN = 1000;

interface Known {
  readAt: number;
  bytes: Promise<number | undefined>;
}

/**
 * Reads the resident memory of processes in bytes; undefined when it cannot be determined. Each is read at most once a
 * second: many clients list the same sessions.
 */
export function createMemoryReader(read = residentBytes): (pid: number) => Promise<number | undefined> {
  const known = new Map<number, Known>();
  return (pid) => {
    const now = performance.now();
    const last = known.get(pid);
    if (last && now < last.readAt + FRESH_MS) return last.bytes;
    if (known.size >= MAX_KNOWN) known.clear();
    const bytes = read(pid);
    known.set(pid, { readAt: now, bytes });
    return bytes;
  };
}
