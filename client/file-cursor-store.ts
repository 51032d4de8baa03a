import { chmod, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Cursor, cursorSchema } from '../protocol/client-frames.js';
import type { CursorStore } from './cursor-store.js';

/**
 * Stores cursors in a JSON file (0600; its folder is created with 0700 when it is missing). Every version of the file
 * is complete: a new one is synced and replaces the old one. Saves during a write share the next one. `load` rejects
 * when the file cannot be read or has another format; the next save overwrites it. Only one process can use it at a
 * time.
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
    // An unreadable file must not block new saves; `load` has reported it.
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

/** Runs one at a time. All calls during a run share one that starts after it. */
function coalesce(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  return () => {
    // The callers of that run get its failure; this one is tried nevertheless.
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
    // A draft left by a crash keeps its mode.
    await chmod(draft, 0o600);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}
