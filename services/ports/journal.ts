import type { ContentBlock } from '../../protocol/content.js';
import type { PermissionId, PromptId, SessionId } from '../../protocol/scalars.js';
import type { BlobStore } from './blobs.js';
import type { MessageStart } from './claude.js';
import type { FileAccessStore } from './file-accesses.js';
import type { OwedRow } from './outbox.js';
import type {
  DeviceRef,
  EventRecord,
  KeptChange,
  KeptContents,
  MessageRecord,
  PermissionRecord,
  PromptContents,
  PromptRecord,
  PromptState,
  SessionChange,
  StoredSession,
} from './records.js';
import type { UsageStore } from './usage.js';

export interface EventRange {
  sessionId: SessionId;
  /** Events with a greater seq. */
  after: number;
  /** At most this many events. */
  limit: number;
  /** Stops after the event with which the data exceed this many bytes. */
  bytes?: number;
}

export interface MessageRange {
  sessionId: SessionId;
  limit: number;
  offset: number;
  before?: number;
  after?: number;
  /** The newest are wanted, and `offset` counts back. */
  backwards?: boolean;
  /** Stops after the message with which the data exceed this many bytes. */
  bytes?: number;
}

export interface TurnRange {
  sessionId: SessionId;
  limit: number;
  /** Counts from the newest. */
  offset: number;
  /** Only turns with a smaller number. */
  before?: number;
}

/** A person's message, and what follows it up to the next one. */
export interface TurnRecord {
  /** Its number among the turns, which stays the same in an epoch. */
  turn: number;
  message: MessageRecord;
  /** The last message of the turn; absent where nothing was answered. */
  response?: MessageRecord;
  /** seq of the next turn's message. */
  end?: number;
}

export interface KnownContentQuery {
  sessionId: SessionId;
  messageIds: readonly string[];
  toolIds: readonly string[];
  /** Tools are searched among the events with a greater seq: the cost is reading those. */
  toolsAfter: number;
}

/** The requested items that the record contains, including those under our own ids that contain the foreign one. */
export interface KnownContent {
  /** Blocks of each message, in order; a person's message is one block without an index. */
  messages: Map<string, KnownBlock[]>;
  toolUses: Set<string>;
  toolResults: Set<string>;
}

export interface KnownBlock {
  blockIndex?: number;
  content: ContentBlock[];
  partial: boolean;
  /** Its long texts are cut. */
  isCut?: boolean;
  /** Its event is after the position from which tools are searched. */
  isLate?: boolean;
}

/** The events of each session, in order and without gaps from the first stored one up to the head. */
export interface EventLog {
  /** From the first stored event on, at the earliest. */
  readEvents(range: EventRange): EventRecord[];
  /** Includes an event from before the smallest stored seq, if something else keeps it. */
  findEvent(sessionId: SessionId, seq: number): EventRecord | undefined;
  /** Bytes of data that `findEvent` would read; undefined when there is no such event. */
  sizeOfEvent(sessionId: SessionId, seq: number): number | undefined;
  /** The smallest stored seq, or head + 1 when none is stored. */
  firstSeq(sessionId: SessionId): number;
  /** The last tool use with this id of the CLI. */
  findTool(sessionId: SessionId, foreignId: string): { toolId: string; toolName: string } | undefined;
  /** The number of tool uses between two seqs, both exclusive. */
  countTools(sessionId: SessionId, range: { after: number; before: number }): number;
  /** The seq of the first event of a message; undefined when none is stored. */
  seqOfMessage(sessionId: SessionId, messageId: string): number | undefined;
  /** Whether a tool was used under this id. */
  isToolTaken(sessionId: SessionId, toolId: string): boolean;
}

export interface SessionStore {
  loadSessions(): StoredSession[];
  /** Stores the full data of cut events beside the journal; synced when this resolves. `commit` then names them. */
  keepEvents(change: SessionChange): Promise<KeptChange>;
  /**
   * Writes the whole change, with the pushes owed for it, or nothing. Written data survives this process, however it
   * ends. `owed` is called once, right before the write.
   */
  commit(change: KeptChange, owed?: () => readonly OwedRow[]): void;
  /** Removes the session and all its data. It is gone at once; its events are removed in batches. */
  forget(sessionId: SessionId): Promise<void>;
}

export interface PromptRange {
  sessionId: SessionId;
  /** Absent: in any state. */
  states?: readonly PromptState[];
  limit: number;
  offset: number;
  /** Only those that came before the one with this number. */
  before?: number;
}

export interface ListedPrompts {
  /** `number`: grows with each prompt; it stays the same in an epoch. */
  prompts: { number: number; prompt: PromptRecord }[];
  /** All that are in these states. */
  total: number;
}

/** Prompts and permission requests by their ids. */
export interface RequestLookup {
  findRequest(device: DeviceRef, requestId: string): PromptRecord | undefined;
  findPrompt(promptId: PromptId): PromptRecord | undefined;
  /** Prompts of a session, newest first. */
  listPrompts(range: PromptRange): ListedPrompts;
  findPermission(sessionId: SessionId, permissionId: PermissionId): PermissionRecord | undefined;
}

/** The messages of each conversation: the events that share a message id. Subagents' messages are left out. */
export interface MessageStore {
  /** Whether a message that began elsewhere has this id. */
  isMessageTaken(sessionId: SessionId, start: MessageStart): boolean;
  /**
   * Messages by their first event, oldest first, and their number in the range without limit and offset. `hasBegun`:
   * the session has any message. Yields to other work.
   */
  readMessages(range: MessageRange): Promise<{ messages: MessageRecord[]; total: number; hasBegun: boolean }>;
  /** The last messages, oldest first; the cost does not depend on the number of earlier ones. Yields to other work. */
  readNewestMessages(sessionId: SessionId, limit: number): Promise<MessageRecord[]>;
  /** Turns, newest first, and their number; the cost does not depend on how many there are. Yields to other work. */
  readTurns(range: TurnRange): Promise<{ turns: TurnRecord[]; total: number }>;
  /** The known items among these. Reads in batches, with a turn of the event loop in between. */
  findKnownContent(query: KnownContentQuery): Promise<KnownContent>;
}

/** The parts of a prompt that are too large to keep in memory. */
export interface ContentsStore {
  /** Stores them beside the journal; synced when this resolves. */
  keepContents(contents: PromptContents): Promise<KeptContents>;
  /** Rejects with `NOT_FOUND` when the stored parts are missing or damaged. */
  readContents(kept: KeptContents): Promise<PromptContents>;
}

/**
 * The durable record. What returns no promise reads and writes the database at once, and throws; every method fails
 * with `CompanionError` `STORAGE_FULL` when the disk is full, and with `JournalDamaged` once the record is damaged.
 */
export interface Journal
  extends EventLog,
    SessionStore,
    RequestLookup,
    MessageStore,
    ContentsStore,
    UsageStore,
    FileAccessStore {
  /** Created with the journal; a different epoch voids older positions. */
  readonly epoch: string;
  /** Data too large for a row. A blob is written before the change that names it, and removed when nothing names it. */
  readonly blobs: BlobStore;
  /** Resolves when everything committed before survives a machine crash as well. */
  sync(): Promise<void>;
  /** Rejects when the record is unreadable, or cannot be written. */
  probe(): Promise<void>;
}
