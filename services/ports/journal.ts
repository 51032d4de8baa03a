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
  /** No more after the one with which their data exceeds this many bytes. */
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
  /** No more after the one with which their data exceeds so much. */
  bytes?: number;
}

export interface KnownContentQuery {
  sessionId: SessionId;
  messageIds: readonly string[];
  toolIds: readonly string[];
  /** Tools are looked for among the events with a greater seq: reading those is what it costs. */
  toolsAfter: number;
}

/** Which of the things that were asked for the record has, also under ids of ours that hold the foreign one. */
export interface KnownContent {
  /** Blocks of each message, in their order; a person's message is one without an index. */
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
  /** Its event is behind the place from which tools are looked for. */
  isLate?: boolean;
}

/** The durable record. Every method rejects with `CompanionError` `STORAGE_FULL` when the disk takes no more. */
export interface Journal {
  /** Made with the journal; another one means that older positions are void. */
  readonly epoch: string;
  /** What is too large for a row. A blob is written before the change that names it, and goes when nothing names it any more. */
  readonly blobs: BlobStore;
  /** Puts beside the journal what of a prompt is too large to wait in memory; synced when this resolves. */
  keepContents(contents: PromptContents): Promise<KeptContents>;
  /** Rejects with `NOT_FOUND` when what was put beside the journal is gone or is not as it was written. */
  readContents(kept: KeptContents): Promise<PromptContents>;
  loadSessions(): Promise<StoredSession[]>;
  /**
   * Writes all of the change, with what devices are owed for it, or nothing. What is written survives this process,
   * however it ends. `owed` is asked once, when the change is about to be written: nothing else happens in between.
   */
  commit(change: SessionChange, owed?: () => readonly PushRecord[]): Promise<void>;
  /** Resolves when all that was committed before survives the machine as well. */
  sync(): Promise<void>;
  /** Without a hole, from the first that is kept. */
  readEvents(range: EventRange): Promise<EventRecord[]>;
  /** Also one from before the smallest seq that is kept, when something else keeps it. */
  findEvent(sessionId: SessionId, seq: number): Promise<EventRecord | undefined>;
  /** Bytes of data that `findEvent` would read; undefined when there is no such event. */
  sizeOfEvent(sessionId: SessionId, seq: number): Promise<number | undefined>;
  /** The smallest seq still kept, or head + 1 when none is. */
  firstSeq(sessionId: SessionId): Promise<number>;
  findRequest(device: DeviceRef, requestId: string): Promise<PromptRecord | undefined>;
  findPrompt(promptId: PromptId): Promise<PromptRecord | undefined>;
  findPermission(sessionId: SessionId, permissionId: PermissionId): Promise<PermissionRecord | undefined>;
  /** The last tool use that the CLI called so. */
  findTool(sessionId: SessionId, foreignId: string): Promise<{ toolId: string; toolName: string } | undefined>;
  /** Whether a tool was used under this id. */
  isToolTaken(sessionId: SessionId, toolId: string): Promise<boolean>;
  /** Whether a message has this id that did not begin there. Throws when the record cannot be read. */
  isMessageTaken(sessionId: SessionId, start: MessageStart): boolean;
  /**
   * Messages by their first event, oldest first, and how many there are in the range without limit and offset.
   * `hasBegun`: the session has a message at all. Others have their turn in between.
   */
  readMessages(range: MessageRange): Promise<{ messages: MessageRecord[]; total: number; hasBegun: boolean }>;
  /** The last messages, oldest first; costs what these cost, however many there are before. */
  readNewestMessages(sessionId: SessionId, limit: number): Promise<MessageRecord[]>;
  /** What of this was said before. Reads in batches, with a turn of the event loop in between. */
  findKnownContent(query: KnownContentQuery): Promise<KnownContent>;
  /** Rejects when the record cannot be read. */
  probe(): Promise<void>;
  /** Removes the session and all that belongs to it. */
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
  /** When the device was here last, in epoch milliseconds; older records have not kept it. */
  seenAt?: number;
  /** The daemon made up its id, and it has not come back under it. */
  isNameless?: boolean;
}

/** A device of which there is a subscription, or a cursor alone. */
export interface FollowingDevice extends DeviceRef {
  seenAt: number | undefined;
  isNameless: boolean;
}

/** Where each device is in each session, and what it wants. */
export interface CursorStore {
  readSubscription(device: DeviceRef): Promise<StoredSubscription | undefined>;
  writeSubscription(device: DeviceRef, subscription: StoredSubscription): Promise<void>;
  readCursors(device: DeviceRef): Promise<Map<SessionId, StoredCursor>>;
  /** Creates cursors and moves existing ones forward; never back within an epoch. */
  writeCursors(device: DeviceRef, cursors: ReadonlyMap<SessionId, StoredCursor>): Promise<void>;
  removeCursors(device: DeviceRef, sessionIds: readonly SessionId[]): Promise<void>;
  readDevices(): Promise<FollowingDevice[]>;
  /**
   * The device is here, or was until this time, in epoch milliseconds. Does nothing where it has neither subscription nor
   * cursor; where it has cursors alone it gets no subscription by that.
   */
  markSeen(device: DeviceRef, at: number): Promise<void>;
  /** Removes its subscription and all its cursors. */
  forgetDevice(device: DeviceRef): Promise<void>;
  /** Removes the cursors of all devices in this session. */
  forgetSession(sessionId: SessionId): Promise<void>;
  /** Removes the cursors of all devices in sessions that are not in the journal. */
  forgetLostSessions(): Promise<void>;
}
