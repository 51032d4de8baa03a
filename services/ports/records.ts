/** The journal's records of sessions, prompts and permission requests. Times are epoch milliseconds. */
import type { BudgetState } from '../../protocol/budgets.js';
import type { ContentBlock, Usage } from '../../protocol/content.js';
import type { EventData, EventType } from '../../protocol/events.js';
import type { SessionPushPreferences } from '../../protocol/push-preferences.js';
import type { ClaudeSessionId, DeviceId, PermissionId, PromptId, SessionId } from '../../protocol/scalars.js';
import type { TaskView } from '../../protocol/tasks.js';
import type { BlobRef } from './blobs.js';

/** A person. */
export type UserId = string & { readonly __brand: 'UserId' };

/** A device of a person: the same device id under another person is another device. */
export interface DeviceRef {
  userId: UserId;
  deviceId: DeviceId;
}

/** A task that a CLI runs outside its turns, or has scheduled. */
export interface BackgroundTask {
  taskId: string;
  /** The CLI's word for its kind. */
  type?: string;
  description?: string;
  /** The other fields are missing in records of older daemons. */
  kind?: TaskView['kind'];
  startedAt?: number;
  status?: string;
  /** What it does now, or how it ended. */
  summary?: string;
  /** When it runs, if it runs only once. */
  firesAt?: number;
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
  /** Its conversation, from its first turn on. */
  conversation?: ClaudeSessionId;
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

/** Who pays for an account's usage. */
export interface Account {
  kind: 'subscription' | 'apiKey' | 'cloud' | 'gateway';
  /** The name of the subscription. */
  plan?: string;
  /** The cloud provider, under the CLI's name. */
  provider?: string;
}

/** A window in which an account's usage is limited. */
export interface LimitWindow {
  /** Under the CLI's name: `five_hour`, `seven_day` … */
  window: string;
  /** From 0 to 1, to 0.01. */
  utilization?: number;
  resetsAt?: number;
}

type LimitStatus = EventData<'rateLimit'>['status'];

/** The usage limits of an account as the API reported them. */
export interface LimitReading extends Partial<LimitWindow> {
  status: LimitStatus;
  overage?: { inUse: boolean; status?: LimitStatus; resetsAt?: number; reason?: string };
  /** Only the pace of requests was refused: `resetsAt` is the next attempt. */
  isPace?: true;
  /** All windows, where they are known. */
  windows?: LimitWindow[];
}

/** `at`: when it last changed. */
export type LimitRecord = LimitReading & { at: number };

export interface SessionRecord {
  sessionId: SessionId;
  owner: UserId;
  /** The canonical path and the identity (device and inode) of the working directory. */
  directory: string;
  directoryKey: string;
  name?: string;
  /** A person gave the name, and the conversation does not have it yet. */
  nameUntold?: true;
  /**
   * A program began it for a conversation of its own, in a folder of the daemon's: lists, and followers of all sessions,
   * leave it out, and it is purged with its folder when it was not used for long.
   */
  ofProgram?: true;
  /** Empty: none any more. */
  tag?: string;
  /** Labels of the person's own, which the conversation does not have. */
  tags?: readonly string[];
  /** A person wants it first in lists. */
  pinned?: boolean;
  /** `at`: when that was last decided, here or at a desk. */
  archived?: { is: boolean; at: number };
  /** A person changed it here, and the files of the conversation do not have it yet. */
  tagUntold?: true;
  archivedUntold?: true;
  /** Appended to the system prompt of its children. */
  context?: string;
  /** Its child began with another context: the next one is started as soon as that interrupts nothing. */
  outdated?: true;
  metadata?: Record<string, unknown>;
  /** The key that has opened it, where a key may only have some open. Empty: no such key. */
  openedBy?: string;
  claudeSessionId?: ClaudeSessionId;
  /** The next child branches off `claudeSessionId` instead of continuing it. */
  fork?: boolean;
  /** The last message of `claudeSessionId` that the branch keeps: the conversation was rewound. */
  resumeAt?: string;
  /** The model chosen by a person, and the one the CLI reports. */
  modelChoice?: string;
  model?: string;
  permissionMode?: string;
  /** Chosen by a person; null: the default again. */
  effort?: string | null;
  maxThinkingTokens?: number | null;
  /** Canonical paths of the directories that a person added: Claude works there as in its own. */
  addedDirectories?: readonly string[];
  allowedTools?: string[];
  /** Rules of the tools of MCP servers that a person has left out. */
  deniedTools?: readonly string[];
  /** What a person has chosen of the MCP servers, as it was said. */
  toolChoice?: ToolChoice;
  /** The grants that a person asked to remember, oldest first: each child is started with them. */
  remembered?: readonly RememberedGrant[];
  /** Grants of the present child, or of one about to start, that were revoked. */
  takenBack?: { askRules: readonly string[]; mode?: string };
  /** `isPurged`: the record is removed once the child has ended, if need be by the next daemon. */
  closed?: { reason: string; isPurged?: true };
  /** A person has stopped the turn and the queue with it: nothing that waits starts until a person asks for it. */
  queueHeld?: true;
  failed?: { reason: string };
  /** How the last prompt that began has ended. */
  lastEnd?: { promptId: PromptId; state: PromptState; subtype: string; at: number };
  lastInit?: string;
  /** The last `sessionStatus`, without its volatile fields: an equal one is not published again. */
  lastStatus?: string;
  /** When its `status` last changed. */
  statusSince?: number;
  messageCount: number;
  lastMessageId?: string;
  totalCost: number;
  /** Of the turns that ended since a daemon has counted them. */
  totals?: TurnTotals;
  createdAt: number;
  updatedAt: number;
  lastActivity: number;
  child?: ChildRecord;
  /** When the running turn began. */
  turnBegan?: number;
  /** Of the running turn. */
  changes?: TurnChanges;
  /** Of turns that have ended, oldest first. */
  owedDiffs?: readonly OwedDiff[];
  transcript?: TranscriptMark;
  /** Digests of the files that programs obey by themselves, by digest of the path, when the person last opened it. */
  obeyed?: Readonly<Record<string, string>>;
  /** Its person's push preferences for it. */
  push?: SessionPushPreferences;
  /** What its last child reported. */
  account?: Account;
  limits?: LimitRecord;
  /** It is continued once when a limit resets that has ended its turn. */
  autoContinue?: boolean;
  /** A limit ended its last turn, and resets then. */
  limitedUntil?: number;
  /** The last reset after which it was continued. */
  continuedAt?: number;
  /** The daemon's own prompt continues these, whose turn a dead child left; not yet looked up in its transcript. */
  continues?: readonly ContinuedPrompt[];
  /** A different conversation was adopted; what was said in it before does not belong to this session. */
  joining?: boolean;
}

export interface ContinuedPrompt {
  uuid: string;
  /** It is itself a prompt of the daemon's. */
  isOwn?: true;
}

/** Tools by their full names. */
export interface ToolChoice {
  /** Absent: all. */
  enabledTools?: readonly string[];
  /** Those that Claude is asked to prefer, best first. */
  priority?: readonly string[];
  /** Each of their calls has an entry in the audit log. */
  isAudited?: boolean;
}

/** Tokens of ended turns. */
export interface TurnTotals {
  turns: number;
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite: number;
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
  /** The same when the session took up this conversation: what was said before does not belong to it. */
  joined?: { size: number; seq: number };
  /** Later content of the transcript could not be read when it was due. */
  owed?: boolean;
}

export type PromptState = 'queued' | 'dispatching' | 'processing' | 'completed' | 'failed' | 'cancelled';

/** How the turn of a prompt ended. Durations are milliseconds, costs US dollars. */
export interface PromptOutcome {
  subtype: string;
  isError: boolean;
  finalResult: string;
  /** Of `usage_limit`. */
  resetsAt?: number;
  durationMs: number;
  numTurns: number;
  cost?: number;
  usage?: Usage;
  /** seq of the `streamComplete`. Absent in records of older daemons. */
  endSeq?: number;
  /** Of a turn that changed files, once they have been compared. */
  diff?: DiffPlace;
}

/** Where the changes of a turn are. */
export interface DiffPlace {
  /** Of the `turnDiff`; absent when no change is known. */
  seq?: number;
  /** The seqs of the tool results whose changes are not in the patch of the event. */
  changes: readonly number[];
  /** The byte at which the text of the patch begins in the blob of the event. */
  patchAt?: number;
  /** Not everything could be compared. */
  partial?: boolean;
}

/** What the tools of a turn have reported so far; present once a tool ran that may have changed a file. */
export interface TurnChanges {
  /** Lines added and removed, and the seqs of the tool results with the changes, by path. */
  files: Readonly<Record<string, readonly [additions: number, deletions: number, ...seqs: number[]]>>;
  /** There were more than are counted. */
  isCut?: true;
}

/** The changes of a turn that has ended, while its directory is being compared. */
export interface OwedDiff extends TurnChanges {
  prompts: readonly PromptId[];
  /** The beginning and the end of the turn. */
  since: number;
  until: number;
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
  /** Its place among the prompts of the session once a person has moved one; those without follow, as they came. */
  place?: number;
  state: PromptState;
  /** Need no question during its turn, as rules. */
  allowedTools?: readonly string[];
  /** The sessions whose agents it has come through, the first one first. */
  via?: readonly SessionId[];
  /** The W3C `traceparent` of its request, where that was traced. */
  trace?: string;
  /** Its `humanMessage` was published. */
  announced: boolean;
  createdAt: number;
  endedAt?: number;
  outcome?: PromptOutcome;
  /** The data of the first answer, repeated for a repeated request; `head`: of the session, before the prompt. */
  answer: Record<string, unknown>;
}

/** A request of the CLI to a person: `can_use_tool`, or the `kind`. */
export interface PermissionAsk {
  requestId: string;
  /** `elicitation`: an MCP server asks. `dialog`: the CLI asks. `input` is then what clients are shown of it. */
  kind?: 'elicitation' | 'dialog';
  /** What the MCP server calls the elicitation when it confirms its completion. */
  elicitationId?: string;
  toolUseId: string;
  toolName: string;
  input: Record<string, unknown>;
  suggestions?: unknown[];
  title?: string;
  displayName?: string;
  description?: string;
  /** Why the CLI asks, and the path that it would not touch without asking. */
  reason?: string;
  reasonType?: string;
  blockedPath?: string;
  /** The subagent that asks. */
  agentId?: string;
  /** The MCP server of the tool. */
  mcpServer?: string;
  /** A person must see the whole request before allowing it: no notification can allow it. */
  mustBeOpened?: true;
  /** The CLI's own dialog would not select "yes" by itself. */
  defaultsToNo?: true;
  /** "Always" is not offered, whatever the suggestions are. */
  cannotBeRemembered?: true;
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
  decision?: EventData<'permissionResolved'>['decision'];
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

/** That the state of a budget was told. */
export interface BudgetMark {
  budgetId: string;
  /** Empty, except of a budget of each session. */
  sessionId: SessionId | '';
  /** The first day of the period. */
  from: string;
  state: BudgetState;
}

/** All changes of one step of a session: written in one transaction or not at all. */
export interface SessionChange {
  record: SessionRecord;
  events: NewEvent[];
  prompts: PromptRecord[];
  permissions: PermissionRecord[];
  /** What its events tell of budgets. */
  budgetMarks?: readonly BudgetMark[];
}

/** A change whose large events are in blobs. */
export interface KeptChange extends SessionChange {
  events: (EventRecord & { whole?: never })[];
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
  /** Of a person's message. */
  promptId?: string;
  model?: string;
  usage?: Usage;
}
