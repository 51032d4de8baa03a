/** What the journal keeps about sessions, prompts and permission requests. Times are epoch milliseconds. */
import type { ContentBlock, Usage } from '../../protocol/content.js';
import type { EventType } from '../../protocol/events.js';
import type { SessionPushPreferences } from '../../protocol/push-preferences.js';
import type { ClaudeSessionId, DeviceId, PermissionId, PromptId, SessionId } from '../../protocol/scalars.js';
import type { BlobRef } from './blobs.js';

/** A person. */
export type UserId = string & { readonly __brand: 'UserId' };

/** A device of a person: the same device id of another person is another device. */
export interface DeviceRef {
  userId: UserId;
  deviceId: DeviceId;
}

/** What a CLI has running beside its turns. */
export interface BackgroundTask {
  taskId: string;
  type?: string;
  description?: string;
}

/** The CLI child of a session, as far as its output has been taken into the journal. Offsets are bytes of its stdout file. */
export interface ChildRecord {
  childId: string;
  /** When it was started; records of older daemons have not kept it. */
  startedAt?: number;
  /** Everything before this offset has had its effect. */
  processed: number;
  /** Start of the oldest message still open at `processed`: reading again from here rebuilds its text. */
  resume: number;
  /** `total_cost_usd` of the last result: the CLI adds up over the child's life. */
  costBase: number;
  /** It is at work on a turn. */
  answering?: boolean;
  /** A person wants that turn to end: should the child die, nobody goes on with it. */
  interrupted?: boolean;
  /** What of it runs on beside or behind its turns. */
  background?: readonly BackgroundTask[];
  /** It is being ended: to rest, or for another to take its place. Its end is no accident, whoever comes to see it. */
  ending?: 'rest' | 'restart';
  /** It can ask for no permission any more, and is replaced in the middle of a turn. */
  cutOff?: boolean;
  /** The disk was full while it ran: what it said is not all there. */
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
  /** The model that a person chose, and the one that the CLI says it uses. */
  modelChoice?: string;
  model?: string;
  permissionMode?: string;
  allowedTools?: string[];
  /** What a person asked to have remembered, oldest first: each child is started with it. */
  remembered?: readonly RememberedGrant[];
  /** The present child was granted this, or is about to be started with it, and it was taken back. */
  takenBack?: { askRules: readonly string[]; mode?: string };
  /** `isPurged`: the record is to go as well, as soon as the child has; a daemon that finds it so sees to that. */
  closed?: { reason: string; isPurged?: true };
  failed?: { reason: string };
  lastInit?: string;
  /** The last `sessionStatus`, without what changes all the time: an equal one is not said again. */
  lastStatus?: string;
  /** When its `status` was another one last. */
  statusSince?: number;
  messageCount: number;
  lastMessageId?: string;
  totalCost: number;
  createdAt: number;
  updatedAt: number;
  lastActivity: number;
  child?: ChildRecord;
  transcript?: TranscriptMark;
  /** Digests of the files that programs obey by themselves, by that of their path, when the person last opened it. */
  obeyed?: Readonly<Record<string, string>>;
  /** What its person wants to be told of it by push. */
  push?: SessionPushPreferences;
  /** Another conversation was taken up, and what was said in it before is not this session's. */
  joining?: boolean;
}

/** What need not be asked any more in a session. */
export interface RememberedGrant {
  id: string;
  at: number;
  byDeviceId?: string | undefined;
  /** The tool that was asked for. */
  toolName?: string | undefined;
  /** As the CLI writes them: `Bash(npm run *)`. */
  rules: readonly string[];
  directories: readonly string[];
  /** The permission mode that was granted, and the one before it. */
  mode?: string | undefined;
  modeBefore?: string | undefined;
  /** An older daemon had the CLI write the rules into the directory's `.claude/settings.local.json`. */
  inFile?: boolean | undefined;
}

/** Up to where the record agrees with the transcript of a conversation. */
export interface TranscriptMark {
  /** Empty before there was one. */
  claudeSessionId: string;
  path: string;
  /** Bytes of the file up to which all is in the record, and when it was written last. */
  size: number;
  mtimeMs: number;
  /** Of the journal: one that was mended or restored may have lost what it had then. */
  epoch: string;
  /** The head of the session then. */
  seq: number;
  /** What was written behind it could not be read when it should have been. */
  owed?: boolean;
}

export type PromptState = 'queued' | 'dispatching' | 'processing' | 'completed' | 'failed' | 'cancelled';

/** How the turn that took a prompt in ended. Durations are milliseconds, costs US dollars. */
export interface PromptOutcome {
  subtype: string;
  isError: boolean;
  finalResult: string;
  durationMs: number;
  numTurns: number;
  cost?: number;
  usage?: Usage;
}

/** What of a prompt is too large to wait in memory: its text, then its images as base64, one behind the other in a blob. */
export interface PromptBody extends BlobRef {
  /** Of the text as UTF-8; 0 where the record itself holds the whole text. */
  textBytes: number;
  images: { mediaType: string /** Of the base64. */; bytes: number }[];
}

/** The whole of a prompt, in memory for as long as it takes to give it to the CLI. */
export interface PromptContents {
  text: string;
  images: { mediaType: string /** Base64, as ASCII. */; data: Uint8Array }[];
}

/** What of a prompt waits in memory. */
export interface KeptContents {
  /** The whole, or its beginning where `body` holds it. */
  text: string;
  /** Until the prompt has ended. */
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
  /** The whole, or its beginning where `body` holds it. */
  text: string;
  /** Until it has ended. */
  body?: PromptBody;
  /** `resume`: the daemon's own, by which a conversation goes on whose child was lost; before all others. */
  mode: 'queue' | 'steer' | 'resume';
  state: PromptState;
  /** Its `humanMessage` has been said. */
  announced: boolean;
  createdAt: number;
  endedAt?: number;
  outcome?: PromptOutcome;
  /** The first answer's data, given again when the request is repeated; `head`: of the session, before the prompt. */
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
  /** Why the CLI asks, and the path that it would not touch unasked. */
  reason?: string;
  blockedPath?: string;
  /** The plan that is to be approved, where the request itself does not hold it. */
  plan?: string;
  /** The seq of the request's event: what is asked is cut here, since it is too large to wait in memory, and whole there. */
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
  /** What the CLI is told: kept until it is known to have been read. */
  answer?: Record<string, unknown>;
}

/** A durable event with its place. `data` is its JSON, cut where `blob` has the whole of it. `line` says which line of which child it came from. */
export interface EventRecord {
  seq: number;
  type: EventType;
  at: number;
  data: string;
  messageId?: string;
  line?: { childId: string; offset: number; part: number };
  blob?: BlobRef;
}

/** `whole`: the JSON of data that are cut, until a blob has it. */
export interface NewEvent extends EventRecord {
  whole?: string;
}

/** Everything one step of a session changes: written in one transaction or not at all. */
export interface SessionChange {
  record: SessionRecord;
  events: NewEvent[];
  prompts: PromptRecord[];
  permissions: PermissionRecord[];
}

/** A session as it is found at the start of the daemon. */
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
