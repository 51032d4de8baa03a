import { createHash } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A socket's path is limited to 104 bytes on macOS and 108 on Linux, including its terminator. */
const MAX_PATH_BYTES = 100;

/** The local socket of this home's daemon, for its owner: in the home, or under a short path when that is too long. */
export function localSocketPath(home: string): string {
  const path = join(home, 'daemon.sock');
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) return path;
  const name = createHash('sha256').update(home).digest('hex').slice(0, 16);
  return join(sharedSocketFolder(), `${name}.sock`);
}

/** A folder of this user's inside the shared temporary folder, where others can create anything. */
export const sharedSocketFolder = (): string => join(tmpdir(), `claude-companion-${process.getuid?.() ?? 'user'}`);

/** Another user can write to the folder of the local socket, and could have replaced the socket. */
export class ForeignSocketError extends Error {}

/**
 * Throws `ForeignSocketError` when the socket is in the shared temporary folder and its folder is not exclusively this
 * user's. Ignores a missing folder.
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
