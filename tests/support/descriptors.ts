import { readdirSync, readlinkSync } from 'node:fs';

/** What the open descriptors of a process stand for (proc_pid_fd(5)): a path, `socket:[…]`, `anon_inode:[…]`. */
export const descriptorsOf = (pid: number): string[] =>
  readdirSync(`/proc/${pid}/fd`).flatMap((name) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${name}`)];
    } catch {
      // It was closed meanwhile.
      return [];
    }
  });

/** Open sockets of a process: its files and threads, which come and go by themselves, are not counted. */
export const socketsOf = (pid: number): number =>
  descriptorsOf(pid).filter((target) => target.startsWith('socket:')).length;
