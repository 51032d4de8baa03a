import type { EventData } from '../../protocol/events.js';
import type { SessionId } from '../../protocol/scalars.js';

/** The directory of a session, as it was when it was opened. */
export interface SnapshotPlace {
  sessionId: SessionId;
  /** Canonical. */
  directory: string;
  /** Device and inode. */
  key: string;
}

/** A turn, in epoch milliseconds. */
export interface TurnTime {
  since: number;
  until: number;
}

/** What tools of the CLI have reported of files that they changed: lines added and removed, by path as it is shown. */
export type ReportedFiles = Readonly<Record<string, readonly [additions: number, deletions: number]>>;

export type ChangedFile = EventData<'turnDiff'>['files'][number];

/** What has changed in a directory during a turn. */
export interface TreeDiff {
  /** By path; those that only the tools have reported included. */
  files: ChangedFile[];
  /** There were more files or lines than are kept. */
  truncated: boolean;
  /** Not everything could be compared. */
  partial: boolean;
  /** Of the reported files, those whose changes are not in the patch. */
  onlyReported: string[];
  /** The patch, when it is small. */
  patch?: string;
  /** The whole event with a larger patch, as JSON, and the byte at which the text of the patch begins. */
  whole?: { json: Uint8Array; patchAt: number };
}

/** Compares the directories of sessions, away from the event loop. */
export interface Snapshots {
  /** Takes note of how the directory is at this time, of which it needs no answer. Never throws. */
  note(place: SnapshotPlace, at: number): void;
  /**
   * What has changed during the turn, since the last note. Gives the same answer again until `told`, also to the next
   * daemon. Rejects when nothing can be compared. `about`: the other fields of the event.
   */
  compare(
    place: SnapshotPlace,
    turn: TurnTime & { reported: ReportedFiles; about: { sessionId: SessionId; promptId?: string } },
  ): Promise<TreeDiff>;
  /** The answer is in the record. */
  told(sessionId: SessionId, turn: TurnTime): void;
  /** Forgets what was noted. */
  forget(sessionId: SessionId): void;
  /** Forgets what was noted of all other sessions. */
  keepOnly(sessionIds: ReadonlySet<SessionId>): void;
  close(): void;
}
