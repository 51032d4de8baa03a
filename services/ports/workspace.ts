import type { FileEncoding, FileInfo, FileList } from '../../protocol/files.js';

/** A working directory as a session knows it: one for all links, spellings and letter cases of it. */
export interface Place {
  /** The canonical path. */
  path: string;
  /** Device and inode. */
  key: string;
}

/** Files of a directory that programs obey by themselves. */
export interface ObeyedState {
  /** Digests of what is in them, by path below the directory. */
  files: ReadonlyMap<string, string>;
  /** False where a bound of depth, number or time left some out. */
  isWhole: boolean;
}

export interface Workspace {
  /**
   * The directory that a client's path means; a relative one is taken from `base`, or from the first allowed root.
   * Rejects with `PROJECT_NOT_FOUND` (missing, or no directory) or `PERMISSION_DENIED` (outside the allowed roots),
   * naming `field`.
   */
  resolveDirectory(path: string, options: { base?: string; field: string }): Promise<Place>;
  /** Takes up to some seconds; never rejects. */
  readObeyedState(directory: string): Promise<ObeyedState>;
  /** The identity of the directory that a path leads to now; undefined when there is none. */
  identify(path: string): Promise<string | undefined>;
}

/** A path as a client wrote it, decoded, and the directory of the session that it begins at. */
export interface FilePlace {
  /** Canonical. */
  directory: string;
  path: string;
  /** Whether the client may also write what programs obey by themselves, such as `.claude/settings.json`. */
  approved?: boolean;
}

export interface ListOptions {
  recursive: boolean;
  pattern?: string | undefined;
}

/** A file that is being read. */
export interface OpenFile {
  info: FileInfo;
  /** Of what `pieces` gives: the file's own text where it is UTF-8. */
  encoding: FileEncoding;
  /** Pieces of at most 48 KiB of the file, each read when it is asked for. Rejects when the file has changed since it was opened. */
  pieces(): AsyncGenerator<string>;
  close(): Promise<void>;
}

/**
 * The files of a session's directory. All reject with the field `path`: `INVALID_REQUEST` (no path that is taken, no
 * regular file), `PERMISSION_DENIED` (outside, a link where none is followed, kept from clients, not approved, no rights),
 * `PROJECT_NOT_FOUND` (the session's directory is gone), `NOT_FOUND`, `CONFLICT`, `STORAGE_FULL`. Nothing has changed then.
 */
export interface Files {
  /** A part of it, `truncated`, when there is much. Rejects a `pattern` that is too large. */
  list(place: FilePlace, options: ListOptions): Promise<FileList>;
  /** Rejects with `PAYLOAD_TOO_LARGE` above 10 MiB. The caller closes it. */
  read(place: FilePlace): Promise<OpenFile>;
  /** Makes missing folders as well. Rejects with `CONFLICT` when there is something of that name. */
  create(place: FilePlace, bytes: Buffer): Promise<FileInfo>;
  /** As a whole: whoever reads it meanwhile has the old or the new one. */
  replace(place: FilePlace, bytes: Buffer): Promise<{ file: FileInfo; created: boolean }>;
  /** Rejects with `CONFLICT` for a folder that is not empty. */
  remove(place: FilePlace): Promise<void>;
}
