/** A daemon whose limits on processes and descriptors are real ones, and are drawn in while it runs. */
import { spawnSync } from 'node:child_process';
import { chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type DaemonFolders, MAIN } from '../../support/daemon.js';

/** The system does not count the processes of root, so a daemon of root's tests runs as somebody else, who has no others. */
const SOMEBODY = 54_321;
const isRoot = process.getuid?.() === 0;
const asSomebody = isRoot ? ['setpriv', `--reuid=${SOMEBODY}`, `--regid=${SOMEBODY}`, '--clear-groups'] : [];

/** Whether there is `prlimit`, and whoever the daemon runs as may read the program (a folder of root may be closed). */
export function canLimit(): boolean {
  const [command, ...args] = [...asSomebody, 'prlimit', '--nofile=64:', 'cat', MAIN];
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/** What the daemon has to be started by, with its folders given to whom it runs as. */
export async function limitedCommand({ base, home, root }: DaemonFolders): Promise<readonly string[]> {
  if (!isRoot) return asSomebody;
  mkdirSync(home);
  for (const folder of [base, home, root, join(base, 'home')]) chownSync(folder, SOMEBODY, SOMEBODY);
  return asSomebody;
}

const LIMITS = { processes: '--nproc', descriptors: '--nofile' } as const;
export type Limit = keyof typeof LIMITS;

/** Lets a process have none any more besides what it has; the numbers of its standard streams are taken. */
export const exhaust = (pid: number, limit: Limit): void => setLimit(pid, limit, 3);

/** What it had before, as far as tests need it. */
export const restore = (pid: number, limit: Limit): void => setLimit(pid, limit, 4096);

/** Done by whom the daemon runs as: root in a container may not change the limits of another user's process. */
function setLimit(pid: number, limit: Limit, soft: number): void {
  const [command, ...args] = [...asSomebody, 'prlimit', `--pid=${pid}`, `${LIMITS[limit]}=${soft}:`];
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the limit could not be set: ${stderr}`);
}
