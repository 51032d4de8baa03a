/**
 * The working directory of a process, whatever its current name. Linux reports it in /proc; elsewhere (macOS) `lsof`
 * does, which was written after its manual page and has not been tried there.
 */
import { execFile } from 'node:child_process';
import { readlink } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface ProcessDirectory {
  /** Leads to the directory itself, even after a rename. */
  handle: string;
  /** Its current name; undefined when it was removed. */
  path: string | undefined;
}

const REMOVED = ' (deleted)';

/** Undefined when it cannot be determined, for example because the process is gone. */
export async function directoryOf(pid: number): Promise<ProcessDirectory | undefined> {
  try {
    return process.platform === 'linux' ? await byProc(pid) : await byLsof(pid);
  } catch {
    // It is gone, is another user's, or no descriptor is free: then the path counts, as before.
    return undefined;
  }
}

async function byProc(pid: number): Promise<ProcessDirectory> {
  const handle = `/proc/${pid}/cwd`;
  const path = await readlink(handle);
  return { handle, path: path.endsWith(REMOVED) ? undefined : path };
}

async function byLsof(pid: number): Promise<ProcessDirectory | undefined> {
  const { stdout } = await run('lsof', ['-a', '-p', String(pid), '-d', 'cwd', '-Fn'], { timeout: 5000 });
  const path = /^n(\/.*)$/m.exec(stdout)?.[1];
  return path === undefined ? undefined : { handle: path, path };
}
