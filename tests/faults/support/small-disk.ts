/** A disk of a few MiB for `COMPANION_HOME`: a tmpfs in a mount namespace of its own, which needs no rights. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { DaemonFolders } from '../../support/daemon.js';

export interface SmallDisk {
  /** What a command has to begin with to see the disk. */
  readonly command: readonly string[];
  /** Where this process sees what the daemon has at `home`. */
  readonly home: string;
  /** Takes all that is left. */
  fill(): void;
  /** Gives it back. */
  free(): void;
  /** Lets nothing be written any more, or again. Nothing may be open for writing. */
  setReadOnly(readOnly: boolean): void;
  close(): void;
}

const NAMESPACE = ['unshare', '--user', '--map-root-user', '--mount'];

/** Whether this system lets one mount in a namespace; containers and macOS may not. */
export function canMount(): boolean {
  const [command, ...args] = [...NAMESPACE, 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'];
  return spawnSync(command, args).status === 0;
}

export async function createSmallDisk({ home }: DaemonFolders, bytes: number): Promise<SmallDisk> {
  mkdirSync(home);
  const script = 'mount -t tmpfs -o "size=$1,mode=700" tmpfs "$2" && echo mounted && exec sleep infinity';
  const [command, ...args] = [...NAMESPACE, 'sh', '-c', script, 'sh', String(bytes), home];
  const holder: ChildProcess = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  if (!holder.stdout) throw new Error('the holder has no output');
  await once(holder.stdout, 'data');
  const seen = `/proc/${holder.pid}/root${home}`;
  const ballast = join(seen, 'ballast');
  const inside = ['nsenter', `--target=${holder.pid}`, '--user', '--mount', '--preserve-credentials'];
  return {
    command: inside,
    home: seen,
    fill: () => fillUp(ballast),
    free: () => rmSync(ballast),
    setReadOnly: (readOnly) => {
      const [nsenter = '', ...ways] = inside;
      execFileSync(nsenter, [...ways, 'mount', '-o', `remount,${readOnly ? 'ro' : 'rw'}`, home]);
    },
    close: () => void holder.kill('SIGKILL'),
  };
}

const BLOCK = Buffer.alloc(4096, 1);

function fillUp(path: string): void {
  const file = openSync(path, 'a');
  try {
    for (;;) writeSync(file, BLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(file);
  }
}
