/** The journal's records of sessions, prompts and permission requests. Times are epoch milliseconds. */
import type { ContentBlock, Usage } from '../../protocol/content.js';
import type { EventType } from '../../protocol/events.js';
import type { SessionPushPreferences } from '../../protocol/push-preferences.js';
import type { ClaudeSessionId, DeviceId, PermissionId, PromptId, SessionId } from '../../protocol/scalars.js';
import type { BlobRef } from './blobs.js';

/** A person. */
export type UserId = string & { readonly __brand: 'UserId' };

/** A device of a person: the same device id under another person is another device. */
export interface DeviceRef {
  userId: UserId;
  deviceId: DeviceId;
}

/** A task that a CLI runs outside its turns. */
export interface BackgroundTask {
  taskId: string;
  type?: string;
  description?: string;
}

/** The CLI child of a session, up to the output taken into the journal. Offsets are bytes of its stdout file. */
export interface ChildRecord {
  childId: string;
  /** The start time; missing in records of older daemons. */
  startedAt?: number;
  /** Output before this offset has been fully handled. */
  processed: number;
  /** Start of the oldest message still open at `processed`: reading again from here rebuilds its text. */
  resume: number;
  /** `total_cost_usd` of the last result: the CLI's value is cumulative over the child's life. */
  costBase: number;
  /** It is working on a turn. */
  answering?: boolean;
  /** A person interrupted that turn: if the child dies, the turn is not continued. */
  interrupted?: boolean;
  /** Its tasks that run beside or after its turns. */
  background?: readonly BackgroundTask[];
  /** It is being ended: to hibernate, or to be replaced. Its end is not a failure, even if the next daemon sees it. */
  ending?: 'rest' | 'restart';
  /** It can no longer ask for permission, and is replaced in the middle of a turn. */
  cutOff?: boolean;
  /** The disk was full while it ran: its recorded output is incomplete. */
  outputLost?: boolean;
}

export interface SessionRecord {
  sessionId: SessionId;
  owner: UserId;
  /** The canonical path and the identity (device and inode) of the working directory. */
  directory: string;
  directoryKey: string;
  name?: string;
  context?: string;
  metadata?: Record<string, unknown>;
  claudeSessionId?: ClaudeSessionId;
  /** The next child branches off `claudeSessionId` instead of continuing it. */
  fork?: boolean;
  /** The model chosen by a person, and the one the CLI reports. */
  modelChoice?: string;
  model?: string;
  permissionMode?: string;
  allowedTools?: string[];
  /** The grants that a person asked to remember, oldest first: each child is started with them. */
  remembered?: readonly RememberedGrant[];
  /** Grants of the present child, or of one about to start, that were revoked. */
  takenBack?: { askRules: readonly string[]; mode?: string };
  /** `isPurged`: the record is removed once the child has ended, if need be by the next daemon. */
  closed?: { reason: string; isPurged?: true };
  failed?: { reason: string };
  lastInit?: string;
  /** The last `sessionStatus`, without its volatile fields: an equal one is not published again. */
  lastStatus?: string;
  /** When its `status` last changed. */
  statusSince?: number;
  messageCount: number;
  lastMessageId?: string;
  totalCost: number;
  createdAt: number;
  updatedAt: number;
  lastActivity: number;
  child?: ChildRecord;
  transcript?: TranscriptMark;
  /** Digests of the files that programs obey by themselves, by digest of the path, when the person last opened it. */
  obeyed?: Readonly<Record<string, string>>;
  /** Its person's push preferences for it. */
  push?: SessionPushPreferences;
  /** A different conversation was adopted; what was said in it before does not belong to this session. */
  joining?: boolean;
}

/** A grant that need not be requested again in a session. */
export interface RememberedGrant {
  id: string;
  at: number;
  byDeviceId?: string | undefined;
  /** The tool of the request. */
  toolName?: string | undefined;
  /** In the CLI's notation: `Bash(npm run *)`. */
  rules: readonly string[];
  directories: readonly string[];
  /** The granted permission mode, and the one before it. */
  mode?: string | undefined;
  modeBefore?: string | undefined;
  /** An older daemon had the CLI write the rules into the directory's `.claude/settings.local.json`. */
  inFile?: boolean | undefined;
}

/** The point up to which the record agrees with the transcript of a conversation. */
export interface TranscriptMark {
  /** Empty before there was one. */
  claudeSessionId: string;
  path: string;
  /** Bytes of the file that the record covers, and when the file was last written. */
  size: number;
  mtimeMs: number;
  /** The journal's epoch: a repaired or restored journal can have lost this agreement. */
  epoch: string;
  /** The head of the session at that time. */
  seq: number;
  /** Later content of the transcript could not be read when it was due. */
  owed?: boolean;
}

export type PromptState = 'queued' | 'dispatching' | 'processing' | 'completed' | 'failed' | 'cancelled';

/** How the turn of a prompt ended. Durations are milliseconds, costs US dollars. */
export interface PromptOutcome {
  subtype: string;
  isError: boolean;
  finalResult: string;
  durationMs: number;
  numTurns: number;
  cost?: number;
  usage?: Usage;
}

/** The parts of a prompt too large to keep in memory: its text, then its images as base64, concatenated in a blob. */
export interface PromptBody extends BlobRef {
  /** Bytes of the text as UTF-8; 0 when the record contains the whole text. */
  textBytes: number;
  images: { mediaType: string /** Of the base64. */; bytes: number }[];
}

/** A whole prompt, kept in memory only until it is passed to the CLI. */
export interface PromptContents {
  text: string;
  images: { mediaType: string /** Base64, as ASCII. */; data: Uint8Array }[];
}

/** The part of a prompt that is kept in memory. */
export interface KeptContents {
  /** The whole text, or its beginning when `body` has the whole. */
  text: string;
  /** Present until the prompt has ended. */
  body?: PromptBody;
}

export interface PromptRecord extends KeptContents {
  promptId: PromptId;
  sessionId: SessionId;
  device: DeviceRef;
  /** The client's request id: unique for a device, so that a repeated request is the same prompt. */
  requestId: string | null;
  /** The message uuid given to the CLI. */
  uuid: string;
  /** The whole text, or its beginning when `body` has the whole. */
  text: string;
  /** Present until the prompt has ended. */
  body?: PromptBody;
  /** `resume`: the daemon's own prompt that continues the conversation of a lost child; goes before all others. */
  mode: 'queue' | 'steer' | 'resume';
  state: PromptState;
  /** Its `humanMessage` was published. */
  announced: boolean;
  createdAt: number;
  endedAt?: number;
  outcome?: PromptOutcome;
  /** The data of the first answer, repeated for a repeated request; `head`: of the session, before the prompt. */
  answer: Record<string, unknown>;
}

/** A `can_use_tool` request of the CLI. */
export interface PermissionAsk {
  requestId: string;
  toolUseId: string;
  toolName: string;
  input: Record<string, unknown>;
  suggestions?: unknown[];
  description?: string;
  /** Why the CLI asks, and the path that it would not touch without asking. */
  reason?: string;
  blockedPath?: string;
  /** The plan to approve, when the request itself lacks it. */
  plan?: string;
  /** The seq of the request's event, which has the whole request: it is cut here, being too large to keep in memory. */
  wholeAt?: number;
}

export interface PermissionRecord {
  permissionId: PermissionId;
  sessionId: SessionId;
  childId: string;
  ask: PermissionAsk;
  createdAt: number;
  decision?: 'allow' | 'deny' | 'expired' | 'cancelled';
  byDeviceId?: string;
  /** The answer to the CLI, kept until the CLI is known to have read it. */
  answer?: Record<string, unknown>;
}

/** A durable event. `data` is its JSON, cut if `blob` has the whole. `line`: its line of a child's output. */
export interface EventRecord {
  seq: number;
  type: EventType;
  at: number;
  data: string;
  messageId?: string;
  line?: { childId: string; offset: number; part: number };
  blob?: BlobRef;
}

/** `whole`: the full JSON of cut data, until it is in a blob. */
export interface NewEvent extends EventRecord {
  whole?: string;
}

/** All changes of one step of a session: written in one transaction or not at all. */
export interface SessionChange {
  record: SessionRecord;
  events: NewEvent[];
  prompts: PromptRecord[];
  permissions: PermissionRecord[];
}

/** A session as found when the daemon starts. */
export interface StoredSession {
  record: SessionRecord;
  head: number;
  prompts: PromptRecord[];
  permissions: PermissionRecord[];
}

export interface MessageRecord {
  id: string;
  type: 'user' | 'assistant';
  seq: number;
  at: number;
  content: ContentBlock[];
  model?: string;
  usage?: Usage;
}
