import type { FileEncoding, FileInfo, FileList } from '../../protocol/files.js';

/** A working directory as a session identifies it: the same for all links, spellings and letter cases. */
export interface Place {
  /** The canonical path. */
  path: string;
  /** Device and inode. */
  key: string;
}

/** The files of a directory that programs obey by themselves. */
export interface ObeyedState {
  /** Digests of their contents, by path below the directory. */
  files: ReadonlyMap<string, string>;
  /** False when a limit of depth, number or time left some out. */
  isWhole: boolean;
}

export interface Workspace {
  /**
   * Resolves a client's directory path; a relative one starts at `base`, or at the first allowed root. Rejects with
   * `PROJECT_NOT_FOUND` (missing, or not a directory) or `PERMISSION_DENIED` (outside the allowed roots), naming
   * `field`.
   */
  resolveDirectory(path: string, options: { base?: string; field: string }): Promise<Place>;
  /** Takes up to a few seconds; never rejects. */
  readObeyedState(directory: string): Promise<ObeyedState>;
  /** The identity of the directory to which a path leads now; undefined when there is none. */
  identify(path: string): Promise<string | undefined>;
}

/** A client's path, decoded, and the session directory it is relative to. */
export interface FilePlace {
  /** Canonical. */
  directory: string;
  path: string;
  /** Whether the client can also write files that programs obey by themselves, such as `.claude/settings.json`. */
  approved?: boolean;
}

export interface ListOptions {
  recursive: boolean;
  pattern?: string | undefined;
}

/** An open file. */
export interface OpenFile {
  info: FileInfo;
  /** The encoding of `pieces`: plain text if the file is UTF-8. */
  encoding: FileEncoding;
  /** Pieces of at most 48 KiB, each read on demand. Rejects when the file has changed since it was opened. */
  pieces(): AsyncGenerator<string>;
  close(): Promise<void>;
}

/**
 * The files of a session's directory. All reject with the field `path`: `INVALID_REQUEST` (unacceptable path, not a
 * regular file), `PERMISSION_DENIED` (outside, a link where none is followed, protected from clients, not approved, no
 * rights), `PROJECT_NOT_FOUND` (the session's directory is gone), `NOT_FOUND`, `CONFLICT`, `STORAGE_FULL`. Nothing has
 * changed then.
 */
export interface Files {
  /** A partial list, marked `truncated`, when there are many. Rejects a `pattern` that is too large. */
  list(place: FilePlace, options: ListOptions): Promise<FileList>;
  /** Rejects with `PAYLOAD_TOO_LARGE` above 10 MiB. The caller closes it. */
  read(place: FilePlace): Promise<OpenFile>;
  /** Creates missing folders as well. Rejects with `CONFLICT` when the name is taken. */
  create(place: FilePlace, bytes: Buffer): Promise<FileInfo>;
  /** Atomic: a concurrent reader gets the old or the new file. */
  replace(place: FilePlace, bytes: Buffer): Promise<{ file: FileInfo; created: boolean }>;
  /** Rejects with `CONFLICT` for a folder that is not empty. */
  remove(place: FilePlace): Promise<void>;
}
