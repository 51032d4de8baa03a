import type { ContentBlock } from '../../protocol/content.js';
import type { PermissionId, PromptId, SessionId } from '../../protocol/scalars.js';
import type { BlobStore } from './blobs.js';
import type { MessageStart } from './claude.js';
import type { PushRecord } from './outbox.js';
import type {
  DeviceRef,
  EventRecord,
  KeptContents,
  MessageRecord,
  PermissionRecord,
  PromptContents,
  PromptRecord,
  SessionChange,
  StoredSession,
} from './records.js';

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

/** The durable record. Every method rejects with `CompanionError` `STORAGE_FULL` when the disk is full. */
export interface Journal {
  /** Created with the journal; a different epoch voids older positions. */
  readonly epoch: string;
  /** Data too large for a row. A blob is written before the change that names it, and removed when nothing names it. */
  readonly blobs: BlobStore;
  /** Stores beside the journal the parts of a prompt too large to keep in memory; synced when this resolves. */
  keepContents(contents: PromptContents): Promise<KeptContents>;
  /** Rejects with `NOT_FOUND` when the stored parts are missing or damaged. */
  readContents(kept: KeptContents): Promise<PromptContents>;
  loadSessions(): Promise<StoredSession[]>;
  /**
   * Writes the whole change, with the pushes owed for it, or nothing. Written data survives this process, however it
   * ends. `owed` is called once, right before the write: nothing else happens in between.
   */
  commit(change: SessionChange, owed?: () => readonly PushRecord[]): Promise<void>;
  /** Resolves when everything committed before survives a machine crash as well. */
  sync(): Promise<void>;
  /** Without gaps, from the first stored event. */
  readEvents(range: EventRange): Promise<EventRecord[]>;
  /** Includes an event from before the smallest stored seq, if something else keeps it. */
  findEvent(sessionId: SessionId, seq: number): Promise<EventRecord | undefined>;
  /** Bytes of data that `findEvent` would read; undefined when there is no such event. */
  sizeOfEvent(sessionId: SessionId, seq: number): Promise<number | undefined>;
  /** The smallest stored seq, or head + 1 when none is stored. */
  firstSeq(sessionId: SessionId): Promise<number>;
  findRequest(device: DeviceRef, requestId: string): Promise<PromptRecord | undefined>;
  findPrompt(promptId: PromptId): Promise<PromptRecord | undefined>;
  findPermission(sessionId: SessionId, permissionId: PermissionId): Promise<PermissionRecord | undefined>;
  /** The last tool use with this id of the CLI. */
  findTool(sessionId: SessionId, foreignId: string): Promise<{ toolId: string; toolName: string } | undefined>;
  /** Whether a tool was used under this id. */
  isToolTaken(sessionId: SessionId, toolId: string): Promise<boolean>;
  /** Whether a message that began elsewhere has this id. Throws when the record is unreadable. */
  isMessageTaken(sessionId: SessionId, start: MessageStart): boolean;
  /**
   * Messages by their first event, oldest first, and their number in the range without limit and offset. `hasBegun`:
   * the session has any message. Yields to other work.
   */
  readMessages(range: MessageRange): Promise<{ messages: MessageRecord[]; total: number; hasBegun: boolean }>;
  /** The last messages, oldest first; the cost does not depend on the number of earlier ones. */
  readNewestMessages(sessionId: SessionId, limit: number): Promise<MessageRecord[]>;
  /** The known items among these. Reads in batches, with a turn of the event loop in between. */
  findKnownContent(query: KnownContentQuery): Promise<KnownContent>;
  /** Rejects when the record is unreadable. */
  probe(): Promise<void>;
  /** Removes the session and all its data. */
  forget(sessionId: SessionId): Promise<void>;
}

export interface StoredCursor {
  seq: number;
  epoch: string;
}

export interface StoredSubscription {
  events: string[];
  /** All its person's sessions, present and future. */
  all: boolean;
  acknowledges: boolean;
  /** When the device was last connected, in epoch milliseconds; missing in older records. */
  seenAt?: number;
  /** The daemon generated its id, and it has not returned under that id. */
  isNameless?: boolean;
}

/** A device with a subscription, or with cursors only. */
export interface FollowingDevice extends DeviceRef {
  seenAt: number | undefined;
  isNameless: boolean;
}

/** The position of each device in each session, and its subscription. */
export interface CursorStore {
  readSubscription(device: DeviceRef): Promise<StoredSubscription | undefined>;
  writeSubscription(device: DeviceRef, subscription: StoredSubscription): Promise<void>;
  readCursors(device: DeviceRef): Promise<Map<SessionId, StoredCursor>>;
  /** Creates cursors and moves existing ones forward; never back within an epoch. */
  writeCursors(device: DeviceRef, cursors: ReadonlyMap<SessionId, StoredCursor>): Promise<void>;
  removeCursors(device: DeviceRef, sessionIds: readonly SessionId[]): Promise<void>;
  readDevices(): Promise<FollowingDevice[]>;
  /**
   * The device is connected, or was until this time, in epoch milliseconds. Does nothing when it has neither
   * subscription nor cursor; does not create a subscription when it has cursors only.
   */
  markSeen(device: DeviceRef, at: number): Promise<void>;
  /** Removes its subscription and all its cursors. */
  forgetDevice(device: DeviceRef): Promise<void>;
  /** Removes the cursors of all devices in this session. */
  forgetSession(sessionId: SessionId): Promise<void>;
  /** Removes the cursors of all devices in sessions that are not in the journal. */
  forgetLostSessions(): Promise<void>;
}
