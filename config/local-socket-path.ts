import { createHash } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A socket's path may have 104 bytes on macOS and 108 on Linux, with its end mark. */
const MAX_PATH_BYTES = 100;

/** Where the daemon of this home can be spoken to by its owner: in the home, or under a short name where that is too long. */
export function localSocketPath(home: string): string {
  const path = join(home, 'daemon.sock');
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) return path;
  const name = createHash('sha256').update(home).digest('hex').slice(0, 16);
  return join(sharedSocketFolder(), `${name}.sock`);
}

/** A folder of this user's in the one for temporary files, where others may make what they like. */
export const sharedSocketFolder = (): string => join(tmpdir(), `claude-companion-${process.getuid?.() ?? 'user'}`);

/** The folder of the local socket can be written by somebody else, who may have put another socket there. */
export class ForeignSocketError extends Error {}

/**
 * Throws `ForeignSocketError` when the socket's folder is the one that stands among others', and not this user's alone.
 * Nothing is said of a folder that is not there.
 */
export function checkSocketFolder(socketPath: string): void {
  const folder = dirname(socketPath);
  if (folder !== sharedSocketFolder()) return;
  const found = lstatSync(folder, { throwIfNoEntry: false });
  if (!found) return;
  const isOurs = found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o077) === 0;
  if (isOurs) return;
  throw new ForeignSocketError(
    `${folder} must belong to you and be closed to other users. Remove it, or choose a COMPANION_HOME with a shorter path.`,
  );
}
