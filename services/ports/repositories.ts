import type { CloneProgress } from '../../protocol/projects.js';

/** Where a client wants a new directory: its path, which starts at `base` when relative, and its field. */
export interface NewDirectory {
  path: string;
  base?: string;
  field: string;
}

export interface CloneOrder {
  /** An accepted address, and its field. */
  address: string;
  addressField: string;
  directory: NewDirectory;
  /** Ends git, and removes what was begun. */
  signal: AbortSignal;
  onProgress: (progress: CloneProgress) => void;
}

export interface WorktreeOrder {
  /** The canonical directory of the project. */
  project: string;
  /** Names that git accepts. */
  branch: string;
  newBranch?: string | undefined;
  directory: NewDirectory;
  signal: AbortSignal;
}

export interface WorkingTree {
  /** Canonical. */
  path: string;
  branch?: string;
}

/** What is not known in time, or not without the settings of the repository, is absent. */
export interface RepositoryState {
  /** Something differs from the commit that is checked out, or is not known to git and not ignored. */
  dirty?: boolean;
  /** How many files and untracked folders; absent above some thousands. */
  changes?: number;
  /** All of the repository that are in the allowed roots; absent where there is only one. */
  worktrees?: WorkingTree[];
}

/** Repositories of git among the directories that sessions may use. */
export interface Repositories {
  /**
   * Resolves with the canonical path of the directory, which appears complete or not at all. Rejects with `CONFLICT`
   * (it exists, git is missing, the host does not answer), `CAPACITY` (too many at a time), `NOT_FOUND`,
   * `PERMISSION_DENIED`, `PAYLOAD_TOO_LARGE`, `STORAGE_FULL`, `TIMEOUT`, and with the reason of the signal.
   */
  clone(order: CloneOrder): Promise<string>;
  /**
   * Adds a working tree of the project's repository, with `branch`, or with a new branch that begins there; resolves
   * with its canonical path. Rejects with `CONFLICT` (the directory or the new branch exists, the branch is checked out
   * elsewhere, no repository in the allowed roots, no git), `NOT_FOUND` (no such branch), `CAPACITY`, `STORAGE_FULL`,
   * `TIMEOUT`.
   */
  addWorktree(order: WorktreeOrder): Promise<string>;
  /** Of a directory that was resolved. Takes 3 s at most, and runs nothing that the repository names. Never rejects. */
  describe(directory: string): Promise<RepositoryState>;
  /** Rejects as `remove` would, as far as is known before. */
  requireRemovable(directory: string, field: string): Promise<void>;
  /**
   * Removes a directory that was resolved, with everything in it. Rejects with `PERMISSION_DENIED` (a root, or what
   * contains one) and `CONFLICT` (a repository with other working trees), naming `field`.
   */
  remove(directory: string, field: string): Promise<void>;
  /** Removes what an earlier daemon has left of directories that it was making. Never rejects. */
  clearUnfinished(): Promise<void>;
  /** Ends what runs; takes half a second at most. */
  close(): Promise<void>;
}
