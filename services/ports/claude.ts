/** What sessions need from the Claude CLI: children to start, adopt, talk to and end. */
import type { ContentBlock, Usage } from '../../protocol/content.js';
import type { EventData } from '../../protocol/events.js';
import type { ClaudeSessionId, SessionId } from '../../protocol/scalars.js';
import type { AnswerData, PositionedData } from '../../protocol/server-frames.js';
import type { Account, LimitReading, LimitWindow, PermissionAsk, UserId } from './records.js';
import type { ToldSaid } from './search.js';
import type {
  FoundTranscript,
  LabelsReading,
  ListedConversation,
  TranscriptEntry,
  TranscriptLocation,
  TranscriptQuery,
  TranscriptTail,
  WrittenLabels,
} from './transcripts.js';

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
  /** The CLI says that a usage limit ended it; 2.1.197 says so only in `finalResult`. */
  usedUp?: true;
  aborted: boolean;
  /** The CLI began this turn by itself. */
  spontaneous: boolean;
  /** The uuids of the messages handled in this turn, if the CLI reports them. */
  messageUuids?: string[];
}

/** What a tool has changed in a file, in lines. */
export interface FileChange {
  /** Absolute. */
  path: string;
  additions: number;
  deletions: number;
  /** Of a unified diff, without the names of the file. */
  hunks: string;
  isNew?: boolean;
}

/** One fact stated by a line of the CLI's output. */
export type CliFact =
  /** `unsaid`: for the person, if this is another conversation than the child's last one; absent where a line said it. */
  | { kind: 'init'; init: CliInit; unsaid?: CliNotice }
  | { kind: 'blockStarted'; block: OpenBlock }
  | { kind: 'delta'; block: OpenBlock; offset: number; text: string }
  | { kind: 'block'; place: BlockPlace; content: ContentBlock; details: BlockDetails }
  | { kind: 'blockCut'; cut: CutBlock }
  | {
      kind: 'toolResult';
      toolId: string;
      text: string;
      isError: boolean;
      change?: FileChange;
      parentToolUseId?: string;
      schedule?: CliSchedule;
    }
  | { kind: 'promptStarted'; uuid: string }
  | { kind: 'promptDropped'; uuid: string }
  | { kind: 'permissionAsked'; ask: PermissionAsk }
  | { kind: 'permissionWithdrawn'; requestId: string }
  | { kind: 'permissionRead'; requestId: string }
  /** An MCP server confirms that the person has done what it asked for at its URL. */
  | { kind: 'elicitationCompleted'; mcpServer: string; elicitationId: string }
  /** The CLI asks for something that this daemon does not support; `about` describes it for a person. */
  | { kind: 'unknownRequest'; requestId: string; subtype: string; about?: string }
  | { kind: 'initialized'; pending: PendingAsks; loggedIn: boolean; version?: string; account?: Account }
  | { kind: 'result'; result: TurnResult }
  | { kind: 'modeChanged'; permissionMode: string }
  /** The conversation has another name, or has kept one. */
  | { kind: 'titled'; title: string }
  | { kind: 'background'; change: BackgroundChange }
  /** The CLI has called the API and waits for the response to begin. */
  | { kind: 'calling' }
  /** `parentToolUseId`: of a subagent, the CLI's id of the tool use that began it. */
  | { kind: 'progress'; stage: string; message: string; parentToolUseId?: string }
  /** What the person could say next. */
  | { kind: 'suggestion'; text: string }
  /** A message for a person from the CLI or a hook, not from Claude. */
  | { kind: 'notice'; notice: CliNotice }
  | { kind: 'limit'; limit: LimitReading }
  /** The API refused a request because of too many, and the CLI repeats it after this time, in milliseconds. */
  | { kind: 'refusedForNow'; delayMs: number }
  /** Lines outside its protocol. */
  | { kind: 'garbage'; bytes: number }
  /** Output before this was not written: lines are missing. `isEarlier`: from before the last message was given. */
  | { kind: 'outputLost'; isEarlier: boolean };

/** The requests for which the CLI waits, by kind; a kind that its version does not list is absent. */
export type PendingAsks = { [Kind in 'tool' | NonNullable<PermissionAsk['kind']>]?: PermissionAsk[] };

export type CliNotice = Pick<EventData<'notice'>, 'kind' | 'level' | 'message'>;

/** A task as the CLI names it. */
export interface CliTask {
  taskId: string;
  type?: string;
  description?: string;
}

export type BackgroundChange =
  | { kind: 'all'; tasks: CliTask[] }
  /** `toolId`: the CLI's id of the tool that began it. */
  | { kind: 'added'; task: CliTask; toolId?: string }
  | { kind: 'updated'; taskId: string; status?: string; summary?: string }
  | { kind: 'removed'; taskId: string; status?: string; summary?: string };

/** The result of a tool that schedules prompts: which tool it was decides the meaning. Times are epoch milliseconds. */
export interface CliSchedule {
  id?: string | undefined;
  humanSchedule?: string | undefined;
  recurring?: boolean | undefined;
  nextFireAt?: number | undefined;
  scheduledFor?: number | undefined;
  jobs?: { id: string }[] | undefined;
}

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

/** A control request of the daemon, under the CLI's names. */
export type ControlRequest = { subtype: string } & Record<string, unknown>;

export type CliCapabilities = Omit<AnswerData<'sessionCapabilities'>, 'sessionId'>;
/** A CLI that belongs to no session, in an empty folder. */
export interface ClaudeOutside {
  /**
   * What the person's CLI has said of itself within the last ten minutes. Rejects with `TIMEOUT`, `CAPACITY`,
   * `CLAUDE_UNAVAILABLE` or `CLAUDE_NOT_LOGGED_IN`.
   */
  capabilities(person: UserId): Promise<CliCapabilities>;
  /**
   * The MCP servers of a directory, or of an empty one, once each has connected or failed, or 5 s later. Rejects as
   * `capabilities` does.
   */
  mcpServers(person: UserId, directory: string | undefined): Promise<CliMcpServer[]>;
}

/** An MCP server as the CLI reports it, without its configuration, which can hold secrets. */
export interface CliMcpServer {
  name: string;
  /** `connected`, `failed`, `needs-auth`, `pending` or `disabled`; later versions can have others. */
  status: string;
  /** Where it is configured: `user`, `project`, `local` … */
  scope?: string;
  transport?: string;
  error?: string;
  /** What the server calls itself. */
  serverName?: string;
  serverVersion?: string;
  /** Empty unless it is connected. */
  tools: { name: string; description?: string; readOnly?: boolean }[];
}

/** Where the login of an MCP server goes on. */
export interface McpLogin {
  /** The page that the person opens; absent when no person is needed. */
  url?: string;
}

export type ContextUsage = Omit<AnswerData<'contextUsage'>, 'sessionId'>;
export type SuggestedFile = AnswerData<'suggestFiles'>['files'][number];

/** What a child answers beside its turns, in the middle of one too. Each rejects as `ClaudeChild.ask` does. */
export interface ChildQuestions {
  capabilities(): Promise<CliCapabilities>;
  suggestFiles(query: string): Promise<SuggestedFile[]>;
  contextUsage(): Promise<ContextUsage>;
  /** The effort levels of a model, by id, alias or name; undefined when the CLI does not list the model. */
  effortLevels(model: string): Promise<readonly string[] | undefined>;
  /** Those that the settings of its directory name, as they are now. */
  mcpServers(): Promise<CliMcpServer[]>;
  /** The CLI remembers it for the directory, as from its own menu. As `reconnectMcpServer` otherwise. */
  toggleMcpServer(server: string, enabled: boolean): Promise<void>;
  /** A server that cannot be connected to is no error: its status tells. */
  reconnectMcpServer(server: string): Promise<void>;
  loginToMcpServer(server: string, redirectUri: string | undefined): Promise<McpLogin>;
  /** The address to which the page of a login has led, where the CLI does not run on the same machine. */
  finishMcpLogin(server: string, callbackUrl: string): Promise<void>;
  /** Claude's answer, outside the conversation. Rejects with `TIMEOUT` after 5 min. */
  askBeside(question: string): Promise<string>;
}

/** A running CLI child. Methods reject with `CompanionError` when the child does not answer or is gone. */
export interface ClaudeChild {
  readonly childId: string;
  readonly pid: number;
  /** An earlier daemon died in the middle of writing a long line: nothing more can be written. */
  readonly inputTorn: boolean;
  readonly questions: ChildQuestions;
  sendMessage(message: UserMessage): void;
  answerPermission(requestId: string, answer: Record<string, unknown>): void;
  /** Tells the CLI that its request is not supported here. */
  refuseRequest(request: { requestId: string; subtype: string }): void;
  /** Its working directory, even if renamed: a path that leads there, and its name unless it was removed. */
  directory(): Promise<{ handle: string; path: string | undefined } | undefined>;
  /** Resolves when the CLI has confirmed. */
  setModel(model: string): Promise<void>;
  /** Names its conversation. */
  rename(title: string): Promise<void>;
  /** Resolves with the mode that is then in effect. */
  setPermissionMode(mode: string): Promise<string>;
  /** From the next turn on (2.1.332); null: the model's default. The CLI ignores a level that the model lacks. */
  setEffort(level: string | null): Promise<void>;
  /** In tokens; null: the CLI's default. Has no effect on models that decide by themselves. */
  setMaxThinkingTokens(tokens: number | null): Promise<void>;
  /** Tools that need no question from then on, as rules. Replaces earlier ones, except those that it was started with. */
  allowTools(rules: readonly string[]): Promise<void>;
  /** Claude works in these directories too. Replaces earlier ones, except those that it was started with. */
  setDirectories(directories: readonly string[]): Promise<void>;
  /** A person is asked from now on about what these rules cover, whatever was allowed. Replaces earlier such rules. */
  askAgainFor(rules: readonly string[]): Promise<void>;
  /** These tools are refused from now on, and Claude does not see them. Replaces earlier such rules. */
  denyTools(rules: readonly string[]): Promise<void>;
  /** The permission rules in effect; undefined when the CLI does not report them within this time, in milliseconds. */
  rules(withinMs: number): Promise<EffectiveRules | undefined>;
  /** The windows of the account's usage limits; undefined where it has none, or does not answer within this time. */
  usageWindows(withinMs: number): Promise<LimitWindow[] | undefined>;
  /**
   * Resolves with the CLI's answer to a control request, as it is: each user reads what it needs. Rejects with
   * `INVALID_REQUEST` (the CLI's refusal), `TIMEOUT` (in milliseconds; 15 s by default) or `CLAUDE_UNAVAILABLE` (the
   * child is gone, or its version does not know the request).
   */
  ask(request: ControlRequest, withinMs?: number): Promise<Record<string, unknown>>;
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
  /** `at`: the uuid of the last message to resume. `path`: its transcript, which belongs to another directory. */
  resume?: { claudeSessionId: ClaudeSessionId; fork: boolean; at?: string; path?: string };
  model?: string;
  permissionMode?: string;
  effort?: string;
  /** After its turns it asks Claude what the person could say next, in one more call of the API. */
  suggestsPrompts?: boolean;
  /** Appended to its system prompt; empty: no longer. */
  appendedPrompt?: string;
  allowedTools: string[];
  addDirectories: string[];
  deniedTools?: readonly string[];
}

export interface AdoptOptions {
  sessionId: SessionId;
  /** Those of `StartOptions`: what is told to a running CLI is not in its command line. */
  deniedTools?: readonly string[];
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
  /** The message before this one in the conversation; undefined when the conversation does not contain this one. */
  findBefore(query: Omit<TranscriptQuery, 'uuids'> & { uuid: string }): Promise<{ before?: string } | undefined>;
  /**
   * The last message of the turn of a prompt: the one before the first of `later`, which are prompts of other turns.
   * Undefined when the conversation does not contain the prompt.
   */
  findEndOfTurn(
    query: Omit<TranscriptQuery, 'uuids'> & { uuid: string; later: readonly string[] },
  ): Promise<string | undefined>;
  /** Whether the directory has a conversation with this id. */
  hasConversation(workingDirectory: string, claudeSessionId: ClaudeSessionId): Promise<boolean>;
  /** Of each directory the conversation that was written last, here or in a terminal; undefined without any. */
  newestConversations(workingDirectories: readonly string[]): Promise<(ListedConversation | undefined)[]>;
  /** The conversations that began in a directory, newest first. Reads the ends of each file, in a thread. */
  listConversations(workingDirectory: string): Promise<ListedConversation[]>;
  /** The conversations of all directories that were written last, newest first. Reads the ends of each file, in a thread. */
  listTranscripts(limit: number): Promise<FoundTranscript[]>;
  /** What was said in a conversation, in small pages of limited texts. Rejects when a page takes longer than 30 s. */
  readSaid(claudeSessionId: string): AsyncIterable<ToldSaid[]>;
  /** The current transcript file; undefined when there is none. `path`: its earlier path. */
  findTranscript(query: { claudeSessionId: string; path?: string }): Promise<TranscriptLocation | undefined>;
  /**
   * The labels of a conversation from its files, which other programs can write: an absent one is not known. Undefined
   * when the files are as at this stamp, or there are none. Costs four checks of files, and reads 256 KiB at most.
   */
  readLabels(query: { claudeSessionId: string; path?: string; stamp?: string }): Promise<LabelsReading | undefined>;
  /** Resolves to false when the conversation has no transcript yet; nothing is written then. Takes 0.2 s, in a thread. */
  writeLabels(conversation: { claudeSessionId: string; path?: string }, labels: WrittenLabels): Promise<boolean>;
  /** The conversation, page by page. Rejects when a page takes longer than 30 s. */
  readTranscript(tail: TranscriptTail): AsyncIterable<TranscriptEntry[]>;
}

/** The CLI's data of one person is not shared with others. */
export interface ClaudeLaunchers {
  /** The launcher for this person's children. */
  of(person: UserId): ClaudeLauncher;
}
