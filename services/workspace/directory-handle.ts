/** Directory handles: the only module with system-specific code to keep a path from changing during use. */
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readlink, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CompanionError } from '../../protocol/error-codes.js';

/**
 * A directory that is held open. Anything reached through it is an entry of this very directory, whatever has happened
 * to the path by which it was opened.
 */
export interface HeldDirectory {
  /** Device and inode. */
  key: string;
  /** The current path of the held directory; undefined when unknown. */
  location(): Promise<string | undefined>;
  /** A path to the held directory itself, valid even after a rename. */
  self(): string;
  /** A path by which the system finds an entry of the held directory. */
  entry(name: string): string;
  /** A subdirectory. Rejects when the entry is a link. */
  child(name: string): Promise<HeldDirectory>;
  close(): Promise<void>;
}

/** Rejects with the system's error when the path does not lead to a directory. A link as last part is not followed. */
export type HoldDirectory = (path: string) => Promise<HeldDirectory>;

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;

/** Linux flag missing from Node's constants: a handle that only names a place, which needs no right to read. */
const O_PATH = 0o10000000;
/** macOS 11 flag: no part of the path can be a link, which the kernel checks while opening. */
const O_NOFOLLOW_ANY = 0x20000000;

interface Opened {
  handle: FileHandle;
  key: string;
  dev: bigint;
  ino: bigint;
}

/** The system-specific operations. `path` is the directory's path when it was opened. */
interface System {
  flags: number;
  self(opened: Opened): string | undefined;
  location(opened: Opened, path: string): Promise<string | undefined>;
}

/** `/proc/self/fd/N` is the open directory itself, not its path; read as a link, it gives the current path. */
const linux: System = {
  flags: O_PATH | O_DIRECTORY | O_NOFOLLOW,
  self: ({ handle }) => `/proc/self/fd/${handle.fd}`,
  location: ({ handle }) => readlink(`/proc/self/fd/${handle.fd}`),
};

/**
 * `/.vol/<device>/<inode>` is the directory with that inode, whatever its path. The handle's path is known because it
 * was opened without links; a fresh lookup must find the same directory there. Implemented from Apple's manual pages,
 * not run. A volume without such paths fails `requireSelf`, and its files are not served.
 */
const darwin: System = {
  flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW_ANY,
  self: ({ dev, ino }) => `/.vol/${dev}/${ino}`,
  location: async ({ key }, path) => ((await keyOfPath(path)) === key ? path : undefined),
};

/** Sufficient for working directories. Where entries cannot be reached by a handle, files are not served. */
const other: System = {
  flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
  self: () => undefined,
  location: async ({ key }, path) => {
    // Whatever the reason: a place that cannot be resolved is not allowed.
    const real = await realpath(path).catch(() => undefined);
    return real !== undefined && (await keyOfPath(real)) === key ? real : undefined;
  },
};

const systemOf = (platform: NodeJS.Platform): System =>
  platform === 'linux' ? linux : platform === 'darwin' ? darwin : other;

export function createDirectoryHolder(platform: NodeJS.Platform): HoldDirectory {
  const system = systemOf(platform);
  return (path) => hold({ system, at: path, path });
}

/** Opened at `at`; `path` is its location as far as known. */
interface Holding {
  system: System;
  at: string;
  path: string;
}

async function hold({ system, at, path }: Holding): Promise<HeldDirectory> {
  const handle = await open(at, system.flags);
  try {
    const { dev, ino } = await handle.stat({ bigint: true });
    const opened = { handle, dev, ino, key: keyOf({ dev, ino }) };
    await requireSelf(system, opened);
    return held(system, opened, path);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Verifies that the handle's path really leads to the held directory. */
async function requireSelf(system: System, opened: Opened): Promise<void> {
  const self = system.self(opened);
  if (self === undefined) return;
  // Whatever the reason: without this path, files are not served.
  const found = await stat(self, { bigint: true }).catch(() => undefined);
  if (!found || keyOf(found) !== opened.key) throw notReachable();
}

function held(system: System, opened: Opened, path: string): HeldDirectory {
  const self = () => {
    const found = system.self(opened);
    if (found === undefined) throw notReachable();
    return found;
  };
  const entry = (name: string) => `${self()}/${name}`;
  return {
    key: opened.key,
    location: () => system.location(opened, path),
    self,
    entry,
    child: async (name) => hold({ system, at: entry(name), path: join(path, name) }),
    close: () => opened.handle.close(),
  };
}

export const keyOf = ({ dev, ino }: { dev: bigint; ino: bigint }): string => `${dev}:${ino}`;

/** Undefined, whatever the reason, for a place that cannot be inspected, which is then not allowed. */
const keyOfPath = async (path: string): Promise<string | undefined> =>
  lstat(path, { bigint: true }).then(keyOf, () => undefined);

const notReachable = () =>
  new CompanionError('PERMISSION_DENIED', 'path: must be on a system and volume on which files can be served safely', {
    field: 'path',
    rule: 'must be on a system and volume on which files can be served safely',
  });
