import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A socket's path may have 104 bytes on macOS and 108 on Linux, with its end mark. */
const MAX_PATH_BYTES = 100;

/** Where the daemon of this home can be spoken to by its owner: in the home, or under a short name where that is too long. */
export function localSocketPath(home: string): string {
  const path = join(home, 'daemon.sock');
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) return path;
  const name = createHash('sha256').update(home).digest('hex').slice(0, 16);
  return join(tmpdir(), `claude-companion-${name}.sock`);
}
