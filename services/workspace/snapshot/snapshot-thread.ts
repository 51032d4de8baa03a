import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { SessionId } from '../../../protocol/scalars.js';
import type { Log } from '../../ports/log.js';
import type { Snapshots, TreeDiff } from '../../ports/snapshots.js';
import type { SnapshotAnswer, SnapshotRequest, SnapshotSettings } from './snapshot-worker.js';

export interface SnapshotThreadOptions {
  /** The built `snapshot-worker`. */
  script: string;
  settings: SnapshotSettings;
  log: Log;
}

interface Waiting {
  resolve: (diff: TreeDiff) => void;
  reject: (error: Error) => void;
}

/** Time after which an idle thread ends, which frees its memory. */
const IDLE_MS = 60_000;
/** MiB: it holds the names of one directory, and one patch. */
const LIMITS = { maxOldGenerationSizeMb: 512 };

/** The thread that compares directories, started when it is needed. When it fails, the next request starts another. */
export class SnapshotThread implements Snapshots {
  readonly #options: SnapshotThreadOptions;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #nextId = 0;
  #idle: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: SnapshotThreadOptions) {
    this.#options = options;
  }

  note(...[place, at]: Parameters<Snapshots['note']>): void {
    this.#post({ kind: 'note', place, at });
  }

  compare(...[place, turn]: Parameters<Snapshots['compare']>): Promise<TreeDiff> {
    return new Promise((resolve, reject) => {
      this.#nextId += 1;
      this.#waiting.set(this.#nextId, { resolve, reject });
      this.#post({ kind: 'compare', id: this.#nextId, place, turn });
    });
  }

  told(...[sessionId, { since, until }]: Parameters<Snapshots['told']>): void {
    this.#post({ kind: 'told', sessionId, turn: { since, until } });
  }

  /** Starts no thread for a session of which nothing was noted. */
  forget(...[sessionId]: Parameters<Snapshots['forget']>): void {
    const { folder } = this.#options.settings;
    if (this.#worker || existsSync(join(folder, sessionId))) this.#post({ kind: 'forget', sessionId });
  }

  keepOnly(...[sessionIds]: Parameters<Snapshots['keepOnly']>): void {
    const strays = namesIn(this.#options.settings.folder).filter((name) => !sessionIds.has(name as SessionId));
    for (const name of strays) this.forget(name as SessionId);
  }

  /** What is being compared is compared by the next daemon. */
  close(): void {
    this.#isClosed = true;
    this.#rest();
  }

  #post(request: SnapshotRequest): void {
    if (this.#isClosed) return;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#rest(), IDLE_MS).unref();
    try {
      this.#worker ??= this.#start();
      this.#worker.postMessage(request);
    } catch (error) {
      // No thread is available (`ERR_WORKER_INIT_FAILED`).
      this.#failed(error as Error);
    }
  }

  #start(): Worker {
    const { script, settings } = this.#options;
    // Its output would be the daemon's.
    const options = { workerData: settings, resourceLimits: LIMITS, stdout: true, stderr: true };
    const worker = new Worker(script, options);
    worker.unref();
    worker.stdout.resume();
    worker.stderr.resume();
    worker.on('message', ({ id, diff }: SnapshotAnswer) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (typeof diff === 'string') waiting?.reject(new Error(diff));
      else waiting?.resolve(diff);
    });
    worker.on('error', (error) => {
      if (this.#worker === worker) this.#failed(error);
    });
    return worker;
  }

  #failed(error: Error): void {
    this.#worker = undefined;
    this.#options.log.warn('the thread that compares directories ended', { error: error.message });
    const waiting = Array.from(this.#waiting.values());
    this.#waiting.clear();
    for (const { reject } of waiting) reject(error);
  }

  #rest(): void {
    // A comparison that takes this long goes on.
    if (this.#waiting.size > 0 && !this.#isClosed) return;
    const worker = this.#worker;
    this.#worker = undefined;
    void worker?.terminate();
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // There is none before the first note.
    return [];
  }
}
