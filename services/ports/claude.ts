/** What sessions need of the Claude CLI: children they can start, adopt, speak to and end. */
import type { ContentBlock, Usage } from '../../protocol/content.js';
import type { EventData } from '../../protocol/events.js';
import type { ClaudeSessionId, SessionId } from '../../protocol/scalars.js';
import type { PositionedData } from '../../protocol/server-frames.js';
import type { BackgroundTask, PermissionAsk, UserId } from './records.js';

export type StreamType = PositionedData<'streamData'>['streamType'];

/** Where a content block belongs: its message, its index in it, and the tool call of the subagent that wrote it. */
export interface BlockPlace {
  messageId: string;
  blockIndex: number;
  parentToolUseId?: string;
}

/** Where a message began in a child's output, and the id that the API gave it. Offsets are bytes. */
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

/** A block that was cut short: it will get no whole line. */
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
  /** Adds up over the child's life. */
  totalCost?: number;
  usage?: Usage;
  apiError: boolean;
  aborted: boolean;
  /** A turn that the CLI began by itself. */
  spontaneous: boolean;
  /** The uuids of the messages that this turn took in, where the CLI says so. */
  messageUuids?: string[];
}

/** One thing that a line of the CLI's output says. */
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
  /** It asks for something that this daemon cannot do; `about`: what, in words for a person. */
  | { kind: 'unknownRequest'; requestId: string; subtype: string; about?: string }
  | { kind: 'initialized'; pendingRequestIds: string[]; loggedIn: boolean; version?: string }
  | { kind: 'result'; result: TurnResult }
  | { kind: 'modeChanged'; permissionMode: string }
  | { kind: 'background'; change: BackgroundChange }
  /** It asks the API, and waits for it to begin its answer. */
  | { kind: 'calling' }
  | { kind: 'progress'; stage: string; message: string }
  /** Words for a person that are no answer of Claude's: of the CLI, or of a hook. */
  | { kind: 'notice'; notice: CliNotice }
  /** Lines that are not its protocol. */
  | { kind: 'garbage'; bytes: number }
  /** Something before this could not be written: lines are missing. */
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
  /** UTF-16 units that were streamed of it before as deltas; absent when nothing was. */
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

/** The facts of one line, and where it stands in the child's output. Offsets are bytes. */
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
  /** The disk took no more when it ended: what it said last may be missing. */
  outputLost?: boolean;
  /** It was ended because no daemon came back for it. */
  orphaned?: boolean;
  /** The last lines that it wrote to stderr, and to stdout beside its protocol; plain text of at most some KiB. */
  lastWords: string;
}

export interface ChildListener {
  /** Whether another message of the session has this id already. Throws when the record cannot be read. */
  isTaken(start: MessageStart): boolean;
  /** Takes lines in order; the next are not read before this resolves. Rejecting stops the reading for a while. */
  onLines(lines: CliLine[]): Promise<void>;
  /** Lines could not be read or taken: they are tried again. */
  onTrouble(error: unknown): void;
  /** Everything that it wrote has been given to `onLines` before. `cut` are the blocks that it left open. */
  onExit(exit: ChildExit, cut: CutBlock[]): void;
}

export interface UserMessage {
  uuid: string;
  content: (
    | { type: 'text'; text: string }
    | { type: 'image'; mediaType: string /** Base64, as ASCII. */; data: Uint8Array }
  )[];
}

/** A live CLI child. Methods reject with `CompanionError` when the child does not answer or is gone. */
export interface ClaudeChild {
  readonly childId: string;
  readonly pid: number;
  /** An earlier daemon died while it wrote a long line: nothing may be written any more. */
  readonly inputTorn: boolean;
  sendMessage(message: UserMessage): void;
  answerPermission(requestId: string, answer: Record<string, unknown>): void;
  /** Tells the CLI that nobody here can do what it asks. */
  refuseRequest(request: { requestId: string; subtype: string }): void;
  /** Where it works, whatever its directory is called by now: a path that leads there, and its name unless it was removed. */
  directory(): Promise<{ handle: string; path: string | undefined } | undefined>;
  /** Resolves with the answer of the CLI. */
  setModel(model: string): Promise<void>;
  setPermissionMode(mode: string): Promise<void>;
  /** From here on a person is asked for what these rules cover, whatever has been allowed. They replace those before. */
  askAgainFor(rules: readonly string[]): Promise<void>;
  /** The permission rules in effect; undefined where the CLI does not tell them within this time, in milliseconds. */
  rules(withinMs: number): Promise<EffectiveRules | undefined>;
  /** Rejects with `TIMEOUT` when the CLI has not taken it up within this time, in milliseconds. */
  interrupt(withinMs: number): Promise<void>;
  /** Whether it answers at all, be it in the middle of a turn. */
  reacts(): Promise<boolean>;
  openBlocks(): OpenBlock[];
  /** Whether what it writes can be kept; to be asked once a second while it works, for a single look can err. */
  checkOutput(): Promise<'kept' | 'lost'>;
  /** Resolves when all that it has written up to now has been taken. */
  drain(): Promise<void>;
  /** Whether something that its tools have started still runs, in the foreground or left behind. */
  hasDescendants(): Promise<boolean>;
  /** Ends the child and all that it started: asks, then insists; with `insist` at once. Resolves when nothing of it is left. */
  end(options?: { insist?: boolean }): Promise<void>;
  /** To be called when its end is on record: removes its files as soon as nothing that it started is left. */
  removeFiles(): Promise<void>;
  /** Lets go of the child and leaves it running. */
  release(): void;
}

/** Cleaned, and not more than fits on a screen or two. */
export interface EffectiveRules {
  /** As the CLI writes them, with what they do (`allow`, `ask`, `deny`) and where the CLI has them from. */
  rules: { rule: string; behavior: string; source: string }[];
  /** In which Claude works besides its own. */
  directories: string[];
  /** There are more. */
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
   * `STORAGE_FULL` when the machine lacks what it takes, which passes: a later try may succeed.
   */
  start(options: StartOptions): Promise<ClaudeChild>;
  /** Takes up a child that an earlier daemon left; undefined when it is gone (what it wrote was read first). */
  adopt(options: AdoptOptions): Promise<ClaudeChild | undefined>;
  /** Takes rules out of the settings that the CLI wrote for this directory. */
  forgetFileRules(workingDirectory: string, rules: readonly string[]): Promise<void>;
  /** Ends what an earlier daemon may have started for this session and did not come to record, and removes its files. */
  discard(sessionId: SessionId): Promise<void>;
  /** Whether a file of the person or the project stands in the place of this command of the CLI, or may. */
  isShadowed(command: string, place: Pick<StartOptions, 'workingDirectory' | 'addDirectories'>): Promise<boolean>;
  /** Rejects as `start` would, as far as this is known without starting. */
  checkAvailable(): Promise<void>;
  /** Which of these messages the conversation's transcript holds. */
  findInTranscript(query: TranscriptQuery): Promise<Set<string>>;
  /** Whether the directory has a conversation with this id. */
  hasConversation(workingDirectory: string, claudeSessionId: ClaudeSessionId): Promise<boolean>;
  /** The transcript's file as it is now; undefined when there is none. `path`: where it was before. */
  findTranscript(query: { claudeSessionId: string; path?: string }): Promise<TranscriptLocation | undefined>;
  /** What the conversation says, page by page. Rejects when a page takes longer than 30 s. */
  readTranscript(tail: TranscriptTail): AsyncIterable<TranscriptEntry[]>;
}

/** People do not share what the CLI keeps for one of them. */
export interface ClaudeLaunchers {
  /** What starts the children of this person. */
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
  /** Only what was written behind this byte of the file. */
  from: number;
}

/** One thing that was said in a conversation, as its transcript has it. Of what subagents say it has nothing. */
export type TranscriptEntry = TranscriptEntryPlace &
  (
    | { kind: 'human'; content: ContentBlock[] }
    | {
        kind: 'block';
        messageId: string;
        /** Its place among the blocks of its message in the transcript. */
        blockIndex: number;
        content: ContentBlock;
        model?: string;
        usage?: Usage;
      }
    | { kind: 'toolResult'; toolId: string; toolName: string; text: string; isError: boolean }
  );

interface TranscriptEntryPlace {
  uuid: string;
  /** Epoch milliseconds; absent where the transcript does not tell. */
  at?: number;
  parentToolUseId?: string;
}

export interface TranscriptQuery {
  workingDirectory: string;
  claudeSessionId: ClaudeSessionId;
  uuids: string[];
}
