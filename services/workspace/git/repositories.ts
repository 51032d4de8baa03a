import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { CloneOrder, Repositories, RepositoryState, WorktreeOrder } from '../../ports/repositories.js';
import { scopeOf, type WorkspaceOptions } from '../allowed-roots.js';
import { ifSeen } from '../file-errors.js';
import { addWorktree, forgetWorktree, movingWorktree } from './add-worktree.js';
import { cloneRepository } from './clone-repository.js';
import { NewDirectories } from './new-directories.js';
import { removeProject, requireRemovable } from './remove-project.js';
import { readState } from './repository-state.js';
import { UnfinishedDirectories, type UnfinishedOptions } from './unfinished-directories.js';

export interface RepositoryOptions extends WorkspaceOptions {
  /** The person's. */
  environment: Readonly<Record<string, string>>;
  /** Of a repository that is cloned, as received and as checked out. */
  maxCloneBytes: number;
  /** Of a clone, and of a checkout. */
  maxCloneMs: number;
  unfinished: Omit<UnfinishedOptions, 'onUnfinished'>;
  /** A folder of the daemon's own. */
  scratch: string;
  /** Variables by which all processes of a git are found. */
  mark: (id: string) => Readonly<Record<string, string>>;
}

/** The repositories below the allowed roots. */
export function createRepositories(options: RepositoryOptions): Repositories {
  const { environment, maxCloneBytes, maxCloneMs: timeoutMs, scratch, mark } = options;
  const onUnfinished = async (made: string) =>
    forgetWorktree(made, await scopeOf(options, { field: 'path', path: made }));
  const unfinished = new UnfinishedDirectories({ ...options.unfinished, onUnfinished });
  const directories = new NewDirectories(options, unfinished);
  const looks = new Looks(options);
  return {
    clone: (order: CloneOrder) =>
      directories.make(order.directory, {
        signal: order.signal,
        make: ({ id, ...making }) =>
          cloneRepository({ ...order, ...making, environment, mark: mark(id), maxBytes: maxCloneBytes, timeoutMs }),
      }),
    addWorktree: (order: WorktreeOrder) =>
      directories.make(order.directory, {
        signal: order.signal,
        make: ({ id, ...making }) =>
          addWorktree({ ...order, ...making, scratch, path: environment.PATH, mark: mark(id), timeoutMs }),
        publish: ({ made: from, path: to, scope }, move) => movingWorktree({ from, to, scope }, move),
      }),
    describe: (directory) => looks.describe(directory),
    requireRemovable: async (directory, field) => void (await requireRemovable({ ...options, directory, field })),
    remove: (directory, field) => removeProject({ ...options, directory, field, unfinished }),
    clearUnfinished: async () => {
      await Promise.all([unfinished.clear(), clearScratch(scratch)]);
    },
    close: () => directories.close(),
  };
}

/** At a time, of all clients: each takes two short runs of git. */
const MOST_LOOKS = 2;
const LOOK_MS = 3000;

class Looks {
  readonly #options: RepositoryOptions;
  #free = MOST_LOOKS;
  readonly #waiting: (() => void)[] = [];

  constructor(options: RepositoryOptions) {
    this.#options = options;
  }

  /** As `Repositories.describe`. */
  async describe(directory: string): Promise<RepositoryState> {
    const signal = AbortSignal.timeout(LOOK_MS);
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const { scratch, environment } = this.#options;
    try {
      const scope = await scopeOf(this.#options, { field: 'path', path: directory });
      const call = { directory, scope, scratch, path: environment.PATH, timeoutMs: LOOK_MS, signal };
      return signal.aborted ? {} : await readState(call);
    } catch (error) {
      if (!signal.aborted)
        this.#options.unfinished.log.debug('a repository cannot be looked at', { error: String(error) });
      return {};
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }
}

/** Copies that an earlier daemon has left. */
async function clearScratch(scratch: string): Promise<void> {
  const left = (await ifSeen(readdir(scratch))) ?? [];
  await Promise.all(left.map((name) => rm(join(scratch, name), { recursive: true, force: true })));
}
