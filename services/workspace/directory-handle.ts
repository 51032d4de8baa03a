/** Directories by their handles: the one place where systems differ in how a path is kept from changing underfoot. */
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readlink, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CompanionError } from '../../protocol/error-codes.js';

/**
 * A directory that is held open. What is reached through it is an entry of this very directory, whatever has become
 * meanwhile of the path by which it was opened.
 */
export interface HeldDirectory {
  /** Device and inode. */
  key: string;
  /** Where the directory of the handle lies now; undefined when that cannot be told. */
  location(): Promise<string | undefined>;
  /** A path that means the directory of the handle itself, also after a rename. */
  self(): string;
  /** A path by which the system finds an entry in the directory of the handle. */
  entry(name: string): string;
  /** A directory in it. Rejects when the entry is a link. */
  child(name: string): Promise<HeldDirectory>;
  close(): Promise<void>;
}

/** Rejects with the system's error when the path leads to no directory. The last part is not followed. */
export type HoldDirectory = (path: string) => Promise<HeldDirectory>;

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;

/** Of Linux, and missing among Node's constants: a handle that only names a place, for which no right to read is needed. */
const O_PATH = 0o10000000;
/** Of macOS 11: no part of the path may be a link, which the kernel itself sees to while it opens. */
const O_NOFOLLOW_ANY = 0x20000000;

interface Opened {
  handle: FileHandle;
  key: string;
  dev: bigint;
  ino: bigint;
}

/** What a system does in its own way. `path` is where the directory lay when it was opened. */
interface System {
  flags: number;
  self(opened: Opened): string | undefined;
  location(opened: Opened, path: string): Promise<string | undefined>;
}

/** `/proc/self/fd/N` is the open directory itself and not its path, and reading it as a link tells where it lies now. */
const linux: System = {
  flags: O_PATH | O_DIRECTORY | O_NOFOLLOW,
  self: ({ handle }) => `/proc/self/fd/${handle.fd}`,
  location: ({ handle }) => readlink(`/proc/self/fd/${handle.fd}`),
};

/**
 * `/.vol/<device>/<inode>` is the directory of that number, whatever its path. The path of the handle is known because
 * it was opened without a link; a fresh look must find the same directory there. Written after Apple's manual pages,
 * not run. A volume without such paths fails `requireSelf`, and its files are not served.
 */
const darwin: System = {
  flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW_ANY,
  self: ({ dev, ino }) => `/.vol/${dev}/${ino}`,
  location: async ({ key }, path) => ((await keyOfPath(path)) === key ? path : undefined),
};

/** Enough for working directories. Where an entry cannot be reached by the handle of its directory, files are not served. */
const other: System = {
  flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
  self: () => undefined,
  location: async ({ key }, path) => {
    // Whatever the reason: a place that cannot be found is not allowed.
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

/** Opened at `at`; `path` is its place as far as is known. */
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

/** That the path which stands for the handle leads to the directory of the handle is not taken on trust. */
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

/** Undefined, whatever the reason, for a place that cannot be looked at: it is not allowed then. */
const keyOfPath = async (path: string): Promise<string | undefined> =>
  lstat(path, { bigint: true }).then(keyOf, () => undefined);

const notReachable = () =>
  new CompanionError('PERMISSION_DENIED', 'path: must be on a system and volume on which files can be served safely', {
    field: 'path',
    rule: 'must be on a system and volume on which files can be served safely',
  });
