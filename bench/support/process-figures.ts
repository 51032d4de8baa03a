import { readdirSync, readFileSync } from 'node:fs';

const NANOSECONDS = 1e9;
const MIB = 1024;

/** Processor time that the threads of a process have used, user and system: proc(5) `schedstat`, which is exact. */
export function processorSeconds(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  const used = readdirSync(tasks).map((task) => nanosecondsOf(`${tasks}/${task}/schedstat`));
  return used.reduce((sum, nanoseconds) => sum + nanoseconds, 0) / NANOSECONDS;
}

function nanosecondsOf(path: string): number {
  try {
    return Number(readFileSync(path, 'latin1').split(' ')[0]);
  } catch {
    // The thread has just ended.
    return 0;
  }
}

/** `VmRSS` of a process in MiB. */
export function residentMib(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kib === undefined) throw new Error(`process ${pid} has no memory`);
  return Number(kib) / MIB;
}
