/** What sessions need from the Claude CLI: children to start, adopt, talk to and end. */
import type { ContentBlock, Usage } from '../../protocol/content.js';
import type { EventData } from '../../protocol/events.js';
import type { ClaudeSessionId, SessionId } from '../../protocol/scalars.js';
import type { PositionedData } from '../../protocol/server-frames.js';
import type { BackgroundTask, PermissionAsk, UserId } from './records.js';

export type StreamType = PositionedData<'streamData'>['streamType'];

/** The place of a content block: its message, its index there, and the tool call of the subagent that wrote it. */
export interface BlockPlace {
  messageId: string;
  blockIndex: number;
  parentToolUseId?: string;
}

/** Where a message began in a child's output, and its API id. Offsets are bytes. */
export interface MessageStart {
  messageId: string;
  childId: string;
  offset: number;
  parentToolUseId?: string;
}

/** A content block that the CLI is still writing, with its text so far. */
export interface OpenBlock extends BlockPlace {
  streamType: StreamType;
  text: string;
  tool?: { id: string; name: string };
}

/** An interrupted block: its complete line will never come. */
export interface CutBlock {
  block: OpenBlock;
  content: ContentBlock;
}

export interface TurnResult {
  subtype: string;
  isError: boolean;
  finalResult: string;
  durationMs: number;
  numTurns: number;
  /** Cumulative over the child's life. */
  totalCost?: number;
  usage?: Usage;
  apiError: boolean;
  aborted: boolean;
  /** The CLI began this turn by itself. */
  spontaneous: boolean;
  /** The uuids of the messages handled in this turn, if the CLI reports them. */
  messageUuids?: string[];
}

/** One fact stated by a line of the CLI's output. */
export type CliFact =
  | { kind: 'init'; init: CliInit }
  | { kind: 'blockStarted'; block: OpenBlock }
  | { kind: 'delta'; block: OpenBlock; offset: number; text: string }
  | { kind: 'block'; place: BlockPlace; content: ContentBlock; details: BlockDetails }
  | { kind: 'blockCut'; cut: CutBlock }
  | { kind: 'toolResult'; toolId: string; text: string; isError: boolean; parentToolUseId?: string }
  | { kind: 'promptStarted'; uuid: string }
  | { kind: 'promptDropped'; uuid: string }
  | { kind: 'permissionAsked'; ask: PermissionAsk }
  | { kind: 'permissionWithdrawn'; requestId: string }
  | { kind: 'permissionRead'; requestId: string }
  /** The CLI asks for something that this daemon does not support; `about` describes it for a person. */
  | { kind: 'unknownRequest'; requestId: string; subtype: string; about?: string }
  | { kind: 'initialized'; pendingRequestIds: string[]; loggedIn: boolean; version?: string }
  | { kind: 'result'; result: TurnResult }
  | { kind: 'modeChanged'; permissionMode: string }
  | { kind: 'background'; change: BackgroundChange }
  /** The CLI has called the API and waits for the response to begin. */
  | { kind: 'calling' }
  | { kind: 'progress'; stage: string; message: string }
  /** A message for a person from the CLI or a hook, not from Claude. */
  | { kind: 'notice'; notice: CliNotice }
  /** Lines outside its protocol. */
  | { kind: 'garbage'; bytes: number }
  /** Output before this was not written: lines are missing. */
  | { kind: 'outputLost' };

export type CliNotice = Pick<EventData<'notice'>, 'kind' | 'level' | 'message'>;

export type BackgroundChange =
  | { kind: 'all'; tasks: BackgroundTask[] }
  | { kind: 'added'; task: BackgroundTask }
  | { kind: 'removed'; taskId: string };

export interface BlockDetails {
  model?: string;
  usage?: Usage;
  aborted: boolean;
  apiError?: string;
  /** UTF-16 units already streamed as deltas; absent when none were. */
  streamedLength?: number;
  streamType: StreamType;
}

export interface CliInit {
  claudeSessionId: ClaudeSessionId;
  workingDirectory: string;
  tools: string[];
  mcpServers: string[];
  model: string;
  permissionMode: string;
}

/** The facts of one line and its position in the child's output. Offsets are bytes. */
export interface CliLine {
  offset: number;
  end: number;
  /** Reading again from here rebuilds every message that is open after this line. */
  resume: number;
  facts: CliFact[];
}

export interface ChildExit {
  code: number | null;
  signal: string | null;
  /** The disk was full when it ended: its last output can be missing. */
  outputLost?: boolean;
  /** It was ended because no daemon returned for it. */
  orphaned?: boolean;
  /** Its last lines on stderr, and on stdout outside the protocol; plain text of at most a few KiB. */
  lastWords: string;
}

export interface ChildListener {
  /** Whether another message of the session already has this id. Throws when the record is unreadable. */
  isTaken(start: MessageStart): boolean;
  /** Receives lines in order; the next are read only after this resolves. A rejection pauses the reading. */
  onLines(lines: CliLine[]): Promise<void>;
  /** Lines could not be read or handled and will be retried. */
  onTrouble(error: unknown): void;
  /** All of its output has been passed to `onLines`. `cut`: the blocks it left open. */
  onExit(exit: ChildExit, cut: CutBlock[]): void;
}

export interface UserMessage {
  uuid: string;
  content: (
    | { type: 'text'; text: string }
    | { type: 'image'; mediaType: string /** Base64, as ASCII. */; data: Uint8Array }
  )[];
}

/** A running CLI child. Methods reject with `CompanionError` when the child does not answer or is gone. */
export interface ClaudeChild {
  readonly childId: string;
  readonly pid: number;
  /** An earlier daemon died in the middle of writing a long line: nothing more can be written. */
  readonly inputTorn: boolean;
  sendMessage(message: UserMessage): void;
  answerPermission(requestId: string, answer: Record<string, unknown>): void;
  /** Tells the CLI that its request is not supported here. */
  refuseRequest(request: { requestId: string; subtype: string }): void;
  /** Its working directory, even if renamed: a path that leads there, and its name unless it was removed. */
  directory(): Promise<{ handle: string; path: string | undefined } | undefined>;
  /** Resolves when the CLI has confirmed. */
  setModel(model: string): Promise<void>;
  setPermissionMode(mode: string): Promise<void>;
  /** A person is asked from now on about what these rules cover, whatever was allowed. Replaces earlier such rules. */
  askAgainFor(rules: readonly string[]): Promise<void>;
  /** The permission rules in effect; undefined when the CLI does not report them within this time, in milliseconds. */
  rules(withinMs: number): Promise<EffectiveRules | undefined>;
  /** Rejects with `TIMEOUT` when the CLI has not accepted it within this time, in milliseconds. */
  interrupt(withinMs: number): Promise<void>;
  /** Whether it responds at all, even in the middle of a turn. */
  reacts(): Promise<boolean>;
  openBlocks(): OpenBlock[];
  /** Whether its output can be stored; to be called once a second while it works, since a single check can be wrong. */
  checkOutput(): Promise<'kept' | 'lost'>;
  /** Resolves when all its output so far has been handled. */
  drain(): Promise<void>;
  /** Whether any process started by its tools still runs, in the foreground or background. */
  hasDescendants(): Promise<boolean>;
  /** Ends the child and everything it started: asks, then kills; `insist` kills at once. Resolves when all is gone. */
  end(options?: { insist?: boolean }): Promise<void>;
  /** Must be called when its end is recorded: removes its files once no process that it started is left. */
  removeFiles(): Promise<void>;
  /** Detaches from the child and leaves it running. */
  release(): void;
}

/** Cleaned, and limited to a screen or two. */
export interface EffectiveRules {
  /** In the CLI's notation, with their behavior (`allow`, `ask`, `deny`) and their source. */
  rules: { rule: string; behavior: string; source: string }[];
  /** Directories in which Claude works besides its own. */
  directories: string[];
  /** The list is incomplete. */
  truncated?: boolean;
}

export interface StartOptions {
  sessionId: SessionId;
  workingDirectory: string;
  listener: ChildListener;
  resume?: { claudeSessionId: ClaudeSessionId; fork: boolean };
  model?: string;
  permissionMode?: string;
  allowedTools: string[];
  addDirectories: string[];
}

export interface AdoptOptions {
  sessionId: SessionId;
  childId: string;
  processed: number;
  resume: number;
  listener: ChildListener;
}

export interface ClaudeLauncher {
  /**
   * Starts a child. Rejects with `CLAUDE_UNAVAILABLE` or `CLAUDE_NOT_LOGGED_IN` with the remedy; with `CAPACITY` or
   * `STORAGE_FULL` when the machine lacks resources, which is temporary: a later attempt can succeed.
   */
  start(options: StartOptions): Promise<ClaudeChild>;
  /** Adopts a child left by an earlier daemon; undefined when it is gone (after reading its output). */
  adopt(options: AdoptOptions): Promise<ClaudeChild | undefined>;
  /** Removes rules from the settings that the CLI wrote for this directory. */
  forgetFileRules(workingDirectory: string, rules: readonly string[]): Promise<void>;
  /** Ends whatever an earlier daemon started for this session without recording it, and removes its files. */
  discard(sessionId: SessionId): Promise<void>;
  /** Whether a file of the person or the project shadows this CLI command, or could. */
  isShadowed(command: string, place: Pick<StartOptions, 'workingDirectory' | 'addDirectories'>): Promise<boolean>;
  /** Rejects like `start` would, as far as known without starting. */
  checkAvailable(): Promise<void>;
  /** The messages among these that the conversation's transcript contains. */
  findInTranscript(query: TranscriptQuery): Promise<Set<string>>;
  /** Whether the directory has a conversation with this id. */
  hasConversation(workingDirectory: string, claudeSessionId: ClaudeSessionId): Promise<boolean>;
  /** The current transcript file; undefined when there is none. `path`: its earlier path. */
  findTranscript(query: { claudeSessionId: string; path?: string }): Promise<TranscriptLocation | undefined>;
  /** The conversation, page by page. Rejects when a page takes longer than 30 s. */
  readTranscript(tail: TranscriptTail): AsyncIterable<TranscriptEntry[]>;
}

/** The CLI's data of one person is not shared with others. */
export interface ClaudeLaunchers {
  /** The launcher for this person's children. */
  of(person: UserId): ClaudeLauncher;
}

export interface TranscriptLocation {
  path: string;
  /** Bytes. The CLI appends to it. */
  size: number;
  mtimeMs: number;
}

export interface TranscriptTail {
  claudeSessionId: string;
  path: string;
  /** Start offset in bytes: only what follows is read. */
  from: number;
}

/** One utterance of a conversation, as in its transcript, which excludes what subagents say. */
export type TranscriptEntry = TranscriptEntryPlace &
  (
    | { kind: 'human'; content: ContentBlock[] }
    | {
        kind: 'block';
        messageId: string;
        /** Its position among the blocks of its message in the transcript. */
        blockIndex: number;
        content: ContentBlock;
        model?: string;
        usage?: Usage;
      }
    | { kind: 'toolResult'; toolId: string; toolName: string; text: string; isError: boolean }
  );

interface TranscriptEntryPlace {
  uuid: string;
  /** Epoch milliseconds; absent when the transcript has no time. */
  at?: number;
  parentToolUseId?: string;
}

export interface TranscriptQuery {
  workingDirectory: string;
  claudeSessionId: ClaudeSessionId;
  uuids: string[];
}
