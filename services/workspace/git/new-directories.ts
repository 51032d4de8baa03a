import { randomBytes } from 'node:crypto';
import { lstat, mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CompanionError } from '../../../protocol/error-codes.js';
import type { NewDirectory } from '../../ports/repositories.js';
import { judgeNew, type WorkspaceOptions } from '../allowed-roots.js';
import { ifSeen, withFileErrors } from '../file-errors.js';
import { hold, type Scope } from '../safe-path.js';
import { MADE_IN, stagingName, type UnfinishedDirectories } from './unfinished-directories.js';

/** A directory while it is made. */
export interface Making {
  id: string;
  /** A hidden folder beside the place of the directory, on the same disk. */
  staging: string;
  /** The directory in it, to be made. */
  made: string;
  /** Where it will be. */
  path: string;
  scope: Scope;
  /** The client's, or the end of the daemon. */
  signal: AbortSignal;
}

interface MakeOptions {
  signal: AbortSignal;
  make: (making: Making) => Promise<void>;
  /** Runs `rename`, which brings the directory to its place. */
  publish?: (making: Making, rename: () => Promise<void>) => Promise<void>;
}

/** At a time. */
const MOST = 3;
const ID_BYTES = 8;
/** What is not removed by then is removed at the next start. */
const CLOSE_MS = 500;

/** Makes directories that appear complete or not at all. */
export class NewDirectories {
  readonly #options: WorkspaceOptions;
  readonly #unfinished: UnfinishedDirectories;
  readonly #running = new Map<string, Promise<unknown>>();
  readonly #closing = new AbortController();

  constructor(options: WorkspaceOptions, unfinished: UnfinishedDirectories) {
    this.#options = options;
    this.#unfinished = unfinished;
  }

  /** Resolves with the canonical path. Rejects with `CONFLICT`, `CAPACITY` and the errors of its making. */
  async make(directory: NewDirectory, options: MakeOptions): Promise<string> {
    const { path, parent, name, scope } = await judgeNew({ ...this.#options, base: undefined, ...directory });
    if (this.#running.has(path)) throw taken(directory);
    if (this.#running.size >= MOST) throw tooMany();
    const id = randomBytes(ID_BYTES).toString('hex');
    const staging = join(parent, stagingName(id));
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    const making = { id, staging, made: join(staging, MADE_IN, name), path, scope, signal };
    const work = this.#make(directory, { ...options, making, parent, name });
    this.#running.set(path, work);
    try {
      await work;
    } finally {
      this.#running.delete(path);
    }
    return path;
  }

  async close(): Promise<void> {
    this.#closing.abort(new CompanionError('CAPACITY', 'The daemon stops.'));
    const ended = Promise.allSettled(this.#running.values());
    await Promise.race([ended, delay(CLOSE_MS, undefined, { ref: false })]);
  }

  async #make(
    directory: NewDirectory,
    { making, parent, name, make, publish }: MakeOptions & { making: Making; parent: string; name: string },
  ): Promise<void> {
    const { id, staging, scope } = making;
    const folder = await withFileErrors(() => hold(parent, scope, this.#options.hold));
    const move = () =>
      withFileErrors(() => rename(join(folder.entry(stagingName(id)), MADE_IN, name), folder.entry(name)));
    try {
      await this.#unfinished.note(id, staging);
      await withFileErrors(() => mkdir(join(folder.entry(stagingName(id))), { mode: 0o700 }));
      await make(making);
      // It may have been created meanwhile: then it stays as it is.
      if (await ifSeen(lstat(folder.entry(name)))) throw taken(directory);
      await (publish ? publish(making, move) : move());
    } finally {
      await this.#unfinished.remove(id, staging);
      await folder.close();
    }
  }
}

const taken = ({ field }: NewDirectory): CompanionError => {
  const rule = 'must be the name of no file or folder that exists';
  return new CompanionError('CONFLICT', `${field}: ${rule}`, { field, rule });
};

const RETRY_MS = 10_000;

const tooMany = (): CompanionError =>
  new CompanionError('CAPACITY', `At most ${MOST} directories are cloned or checked out at a time.`, {
    retryAfterMs: RETRY_MS,
  });
