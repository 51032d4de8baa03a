import type { FileEncoding, FileInfo, FileList } from '../../protocol/files.js';
import type { SessionId } from '../../protocol/scalars.js';

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
  /**
   * The same, but a missing directory is created first, with the missing folders on its path. Rejects as well with
   * `PERMISSION_DENIED` for a name that programs obey or that indicates secrets, and as files do.
   */
  createDirectory(path: string, options: { base?: string; field: string }): Promise<Place & { created: boolean }>;
  /** A new empty folder below the daemon's home, for a session that a program begins. */
  makeOwnFolder(): Promise<Place>;
  /** Removes one of these. */
  removeOwnFolder(path: string): Promise<void>;
  /** Removes those of which `isUsed` does not say that a session works there. */
  removeUnusedFolders(isUsed: (path: string) => boolean): Promise<void>;
  /** Canonical paths of the directories right below the allowed roots, without hidden ones; at most 10,000. */
  listDirectories(): Promise<string[]>;
  /** What is checked out in a directory that was resolved; undefined where it cannot be said. */
  readBranch(directory: string): Promise<string | undefined>;
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
  /** A recursive list also has what `.gitignore` leaves out. */
  ignored?: boolean;
  /** At most 10,000. */
  limit?: number;
  offset?: number;
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

/** An open file of any size, as bytes. */
export interface OpenBytes {
  info: FileInfo;
  /** The bytes from one offset up to another, in pieces of at most 48 KiB, each read on demand. */
  pieces(from: number, to: number): AsyncGenerator<Uint8Array>;
  close(): Promise<void>;
}

/** What is written, and when. */
export interface FileWrite {
  bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** Throws unless the present version may be replaced; undefined: there is no file. */
  requireVersion?: RequireVersion;
}
export type RequireVersion = (version: string | undefined) => void;

/**
 * The files of a session's directory. All reject with the field `path`: `INVALID_REQUEST` (unacceptable path, not a
 * regular file), `PERMISSION_DENIED` (outside, a link where none is followed, protected from clients, not approved, no
 * rights), `PROJECT_NOT_FOUND` (the session's directory is gone), `NOT_FOUND`, `CONFLICT`, `STORAGE_FULL`. Nothing has
 * changed then.
 */
export interface Files {
  /** A page, marked `truncated` when there are more or too many to look at. Rejects a `pattern` that is too large. */
  list(place: FilePlace, options: ListOptions): Promise<FileList>;
  /** Rejects with `PAYLOAD_TOO_LARGE` above 10 MiB. The caller closes it. */
  read(place: FilePlace): Promise<OpenFile>;
  /** The same for a file of any size. */
  open(place: FilePlace): Promise<OpenBytes>;
  /** Creates missing folders as well. Rejects with `CONFLICT` when the name is taken. */
  create(place: FilePlace, bytes: Buffer): Promise<FileInfo>;
  /**
   * Atomic: a concurrent reader gets the old or the new file. Rejects with `PAYLOAD_TOO_LARGE` above 256 MiB, and with
   * the failure of the bytes.
   */
  replace(place: FilePlace, write: FileWrite): Promise<{ file: FileInfo; created: boolean }>;
  /**
   * Moves a file or an empty folder to the trash of its session, or removes it where no owner is given or no trash is
   * kept. Rejects with `CONFLICT` for a folder that is not empty, and with `PAYLOAD_TOO_LARGE` for what the trash cannot
   * hold.
   */
  remove(place: FilePlace, how?: FileRemoval): Promise<{ trashId?: string }>;
  /** Puts it where it was, or to `to`. Rejects with `NOT_FOUND`, and with `CONFLICT` when something is there. */
  restore(place: Omit<FilePlace, 'path'>, which: Restoration): Promise<RestoredFile>;
  /**
   * What is not committed at and below the path, new files included; undefined where there is no repository of git, or
   * none that can be read. Rejects with `TIMEOUT`. The signal ends git.
   */
  diff(place: FilePlace, signal: AbortSignal): Promise<WorkingDiff | undefined>;
}

/** What has changed in a working tree. */
export interface WorkingDiff {
  /** The commit with which it was compared; absent before the first one. */
  base?: string;
  files: {
    path: string;
    status: 'added' | 'deleted' | 'modified';
    additions: number;
    deletions: number;
    omitted?: 'binary';
  }[];
  /** In git's form. */
  patch: string;
  /** Files or parts of the patch are missing. */
  truncated: boolean;
}

/** Whose trash it goes to, and who deletes it. */
export interface TrashOwner {
  sessionId: SessionId;
  deviceId: string;
}

export interface FileRemoval {
  /** Throws unless the present version may be removed. */
  requireVersion?: RequireVersion | undefined;
  trash?: TrashOwner | undefined;
}

export interface Restoration {
  sessionId: SessionId;
  trashId: string;
  /** A path as in `FilePlace`, instead of where it was. */
  to?: string | undefined;
}

export interface RestoredFile {
  path: string;
  type: 'file' | 'directory';
  size: number;
}

/** A deleted file. Times are epoch milliseconds. */
export interface TrashedFile extends RestoredFile {
  trashId: string;
  deletedAt: number;
  expiresAt: number;
  deviceId: string;
}

export interface TrashQuery {
  sessionId: SessionId;
  limit: number;
  offset: number;
  /** Only those that were deleted before this one. */
  before?: string | undefined;
}

/** The deleted files of sessions. */
export interface FileTrash {
  /** Newest first, and how many there are. */
  list(query: TrashQuery): Promise<{ files: TrashedFile[]; total: number }>;
  /** For ever. Rejects with `NOT_FOUND`. */
  remove(sessionId: SessionId, trashId: string): Promise<TrashedFile>;
  /** Removes all of a session, and keeps nothing more of it. */
  forget(sessionId: SessionId): Promise<void>;
}
