/** A working directory as a session knows it: one for all links, spellings and letter cases of it. */
export interface Place {
  /** The canonical path. */
  path: string;
  /** Device and inode. */
  key: string;
}

export interface Workspace {
  /**
   * The directory that a client's path means; a relative one is taken from `base`, or from the first allowed root.
   * Rejects with `PROJECT_NOT_FOUND` (missing, or no directory) or `PERMISSION_DENIED` (outside the allowed roots),
   * naming `field`.
   */
  resolveDirectory(path: string, options: { base?: string; field: string }): Promise<Place>;
  /** The identity of the directory that a path leads to now; undefined when there is none. */
  identify(path: string): Promise<string | undefined>;
}
