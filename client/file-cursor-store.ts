import { chmod, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Cursor, cursorSchema } from '../protocol/client-frames.js';
import type { CursorStore } from './cursor-store.js';

/**
 * Keeps cursors in a JSON file (0600; its folder is made with 0700 when it is missing). Every version of the file is
 * whole: a new one is synced and takes the old one's place. Saves that come while one is being written share the next
 * write. `load` rejects when the file cannot be read or is not such a file; it is overwritten by the next save. One
 * process at a time may use it.
 */
export function createFileCursorStore(path: string): CursorStore {
  const cursors = new Map<string, Cursor>();
  const write = coalesce(() => replaceFile(path, JSON.stringify(Object.fromEntries(cursors))));
  let loaded: Promise<void> | undefined;
  const load = () => {
    loaded ??= readCursors(path).then((known) => {
      for (const [sessionId, cursor] of known) cursors.set(sessionId, cursor);
    });
    return loaded;
  };
  const change = async (apply: () => void) => {
    // What cannot be read must not keep what is new from being saved; `load` has told about it.
    await load().catch(() => undefined);
    apply();
    await write();
  };
  return {
    load: async () => {
      await load();
      return new Map(cursors);
    },
    save: (sessionId, cursor) => change(() => cursors.set(sessionId, cursor)),
    remove: (sessionId) => change(() => cursors.delete(sessionId)),
  };
}

/** Runs one at a time. Whoever asks during a run waits for one that begins after it, together with all the others. */
function coalesce(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  return () => {
    // Who asked for that run has its failure; this one is tried all the same.
    next ??= running
      .catch(() => undefined)
      .then(() => {
        running = run();
        next = undefined;
        return running;
      });
    return next;
  };
}

async function readCursors(path: string): Promise<Map<string, Cursor>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw error;
  }
  const raw: unknown = JSON.parse(text);
  if (typeof raw !== 'object' || raw === null) throw new Error(`${path} holds no cursors`);
  return new Map(Object.entries(raw).map(([sessionId, cursor]) => [sessionId, cursorSchema.parse(cursor)]));
}

async function replaceFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}.new`;
  try {
    const file = await open(draft, 'w', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    // A draft that a crash has left behind keeps its mode.
    await chmod(draft, 0o600);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}
