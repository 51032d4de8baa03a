import { plainText } from '../../../protocol/plain-text.js';
import { claudeSessionIdSchema } from '../../../protocol/scalars.js';
import type { CliFact, CliLine, CutBlock, FileChange, OpenBlock } from '../../ports/claude.js';
import {
  type CliAssistant,
  type CliControlResponse,
  type CliLifecycle,
  type CliMessage,
  type CliResult,
  type CliSystem,
  type CliUser,
  type ParsedLine,
  parseCliLine,
} from './cli-lines.js';
import { resultText } from './content-blocks.js';
import { requestFacts } from './control-requests.js';
import { fileChangeOf } from './file-change.js';
import type { RawLine } from './line-splitter.js';
import { MessageAssembler, type MessageAssemblerOptions } from './message-assembler.js';
import { authNotice, CLEARED, hookFeedback, systemNotice } from './notices.js';
import { ServerNotices, systemProgress } from './progress.js';
import { taskFacts } from './tasks.js';
import { limitFacts, retryFacts } from './usage-limits.js';

/** Receives the answers to control requests when their lines arrive. */
export type ControlResponseHandler = (response: CliControlResponse) => CliFact[];

/** What a line says of the commands and the output style of the CLI. */
export interface ToldCapabilities {
  commands?: unknown;
  terminalOnly?: readonly string[] | undefined;
  outputStyle?: string | undefined;
}

export interface FactReaderOptions extends MessageAssemblerOptions {
  onControlResponse: ControlResponseHandler;
  /** Whether the line that begins at this offset was begun before the child was given its last message. */
  wasTornBefore?: (offset: number) => boolean;
  /** Receives what the CLI says of itself when the lines arrive. */
  onCapabilities?: (told: ToldCapabilities) => void;
}

/** Turns the output lines of one child into facts. */
export class FactReader {
  readonly #assembler: MessageAssembler;
  readonly #onControlResponse: ControlResponseHandler;
  readonly #wasTornBefore: NonNullable<FactReaderOptions['wasTornBefore']>;
  readonly #onCapabilities: NonNullable<FactReaderOptions['onCapabilities']>;
  readonly #words = new LastWords();
  readonly #servers = new ServerNotices();
  /** A schedule began the running turn. */
  #isWakeup = false;
  /** A line has said that the conversation was cleared, and its `init` has not come yet. 2.1.197 writes only the latter. */
  #isResetSaid = false;

  constructor(options: FactReaderOptions) {
    this.#assembler = new MessageAssembler(options);
    this.#onControlResponse = options.onControlResponse;
    this.#wasTornBefore = options.wasTornBefore ?? (() => false);
    this.#onCapabilities = options.onCapabilities ?? (() => {});
  }

  /** The last lines outside the CLI's protocol: a dying CLI may report its reason there. */
  get lastWords(): string {
    return this.#words.text;
  }

  openBlocks(): OpenBlock[] {
    return this.#assembler.openBlocks();
  }

  cutBlocks(): CutBlock[] {
    return this.#assembler.cutBlocks();
  }

  /** Reads one line. Never throws: a line that cannot be parsed becomes `garbage` or nothing. */
  read(line: RawLine): CliLine {
    const { offset, end, bytes } = line;
    const parsed = parseCliLine(bytes);
    const joined = parsed.kind === 'garbage' ? findJoined(line) : undefined;
    if (parsed.kind === 'garbage' && !joined) this.#words.add(bytes);
    const lost: CliFact[] = joined ? [{ kind: 'outputLost', isEarlier: this.#wasTornBefore(offset) }] : [];
    const facts = [...lost, ...this.#factsOf(joined ?? parsed, { offset, length: end - offset - 1 })];
    return { offset, end, facts, resume: Math.min(this.#assembler.oldestStart() ?? end, end) };
  }

  #factsOf(parsed: ReturnType<typeof parseCliLine>, { offset, length }: { offset: number; length: number }): CliFact[] {
    switch (parsed.kind) {
      case 'message':
        return this.#messageFacts(parsed.message, offset);
      case 'unknown':
        return [];
      case 'garbage':
        return length === 0 ? [] : [{ kind: 'garbage', bytes: length }];
    }
  }

  #messageFacts(message: CliMessage, offset: number): CliFact[] {
    switch (message.type) {
      case 'stream_event':
        return this.#assembler.streamEvent(message, offset);
      case 'assistant':
        return isSilence(message) ? [] : this.#assembler.wholeBlocks(message, offset);
      case 'user':
        return this.#userFacts(message);
      case 'result':
        return [...this.#assembler.cut(undefined), this.#resultFact(message)];
      case 'system':
        this.#tellCapabilities(message);
        return [...this.#systemFacts(message), ...systemNotice(message), ...systemProgress(message)];
      case 'conversation_reset':
        this.#isResetSaid = true;
        return [{ kind: 'notice', notice: CLEARED }];
      case 'prompt_suggestion':
        return [{ kind: 'suggestion', text: message.suggestion }];
      case 'auth_status':
        return authNotice(message.error);
      case 'rate_limit_event':
        return limitFacts(message);
      case 'control_request':
        return requestFacts(message);
      case 'control_response':
        return this.#onControlResponse(message.response);
      case 'control_cancel_request':
        return [{ kind: 'permissionWithdrawn', requestId: message.request_id }];
      case 'command_lifecycle':
        return this.#lifecycleFacts(message);
    }
  }

  #tellCapabilities({ subtype, commands, terminal_slash_commands: terminalOnly, ...init }: CliSystem): void {
    if (subtype === 'commands_changed' && commands) this.#onCapabilities({ commands });
    if (subtype === 'init') this.#onCapabilities({ terminalOnly, outputStyle: init.output_style });
  }

  /** A turn that a schedule began has the lifecycle of a message without a sender (2.1.332). */
  #lifecycleFacts({ command_uuid: uuid, state, wakeup_source: source }: CliLifecycle): CliFact[] {
    if (state === 'started') this.#isWakeup = source !== undefined;
    return lifecycleFacts(uuid, state);
  }

  #resultFact(message: CliResult): CliFact {
    const isWakeup = this.#isWakeup;
    this.#isWakeup = false;
    return resultFact(message, isWakeup);
  }

  #systemFacts(message: CliSystem): CliFact[] {
    if (message.subtype !== 'init') return systemFacts(message);
    const unsaid = this.#isResetSaid ? {} : { unsaid: CLEARED };
    this.#isResetSaid = false;
    return [...initFacts(message).map((fact) => ({ ...fact, ...unsaid })), ...this.#servers.factsOf(message)];
  }

  #userFacts(line: CliUser): CliFact[] {
    const { isReplay, uuid, parent_tool_use_id: parentToolUseId, message } = line;
    const facts = parentToolUseId === undefined ? this.#assembler.endWhole() : this.#assembler.cut(parentToolUseId);
    if (isReplay) return uuid === undefined ? facts : [...facts, { kind: 'promptStarted', uuid }];
    const own = ownResultOf(line);
    return [
      ...facts,
      ...(message?.content ?? []).flatMap((block) => userBlockFacts(block, { parentToolUseId, ...own })),
    ];
  }
}

/** 2.1.197 answers a command that says nothing, such as `/clear`, with this; later versions write no line. */
const isSilence = ({ message: { model, content } }: CliAssistant): boolean =>
  model === '<synthetic>' && content.every(({ type, text }) => type === 'text' && text === '(no content)');

type UserBlock = NonNullable<CliUser['message']>['content'][number];

interface OwnResult {
  schedule: NonNullable<CliUser['tool_use_result']>['schedule'];
  change: FileChange | undefined;
}

/** Of a line with the results of several tools it is not known whose it is; the CLI writes each in a line of its own. */
function ownResultOf({ message, tool_use_result: result }: CliUser): OwnResult {
  const results = message?.content.filter(({ type }) => type === 'tool_result') ?? [];
  const { schedule, edit } = result ?? {};
  return { schedule, change: edit && results.length === 1 ? fileChangeOf(edit) : undefined };
}

function userBlockFacts(
  block: UserBlock,
  { parentToolUseId, schedule, change }: OwnResult & { parentToolUseId: string | undefined },
): CliFact[] {
  if (block.type === 'text') return hookFeedback(block.text ?? '');
  if (block.type !== 'tool_result') return [];
  return [
    {
      kind: 'toolResult',
      toolId: block.tool_use_id ?? '',
      text: resultText(block.content),
      isError: block.is_error ?? false,
      ...(change && !block.is_error && { change }),
      ...(parentToolUseId !== undefined && { parentToolUseId }),
      ...(schedule && { schedule }),
    },
  ];
}

function lifecycleFacts(uuid: string, state: string | undefined): CliFact[] {
  if (state === 'started') return [{ kind: 'promptStarted', uuid }];
  return state === 'cancelled' ? [{ kind: 'promptDropped', uuid }] : [];
}

function resultFact(message: CliResult, isWakeup: boolean): CliFact {
  const { usage, user_message_uuids: messageUuids, total_cost_usd: totalCost, subtype = 'success' } = message;
  return {
    kind: 'result',
    result: {
      subtype,
      isError: message.is_error ?? subtype !== 'success',
      finalResult: message.result?.trim() ? message.result : (message.errors?.join('\n') ?? ''),
      durationMs: message.duration_ms,
      numTurns: message.num_turns,
      apiError: typeof message.api_error_status === 'number',
      aborted: message.terminal_reason?.startsWith('aborted') ?? false,
      spontaneous: isWakeup || message.origin?.kind === 'task-notification',
      ...(message.api_error === 'usage_limit_reached' && { usedUp: true }),
      ...(usage && { usage }),
      ...(messageUuids && { messageUuids }),
      ...(totalCost !== undefined && { totalCost }),
    },
  };
}

function systemFacts(message: CliSystem): CliFact[] {
  switch (message.subtype ?? '') {
    case 'status':
      return statusFacts(message);
    case 'api_retry':
      return [...retryFacts(message), { kind: 'progress', stage: 'api_retry', message: retryMessage(message) }];
    case 'session_title_changed':
      return message.title ? [{ kind: 'titled', title: message.title }] : [];
    case 'elicitation_complete':
      return completedFacts(message);
    default:
      return taskFacts(message);
  }
}

function completedFacts({ mcp_server_name: mcpServer, elicitation_id: elicitationId }: CliSystem): CliFact[] {
  if (mcpServer === undefined || elicitationId === undefined) return [];
  return [{ kind: 'elicitationCompleted', mcpServer, elicitationId }];
}

function initFacts(message: CliSystem): Extract<CliFact, { kind: 'init' }>[] {
  const { session_id: id, cwd = '', tools = [], mcp_servers: servers = [], model = '' } = message;
  // It becomes an argument of the next child.
  const conversation = claudeSessionIdSchema.safeParse(id);
  if (!conversation.success) return [];
  const init = {
    claudeSessionId: conversation.data,
    workingDirectory: cwd,
    tools,
    mcpServers: servers.map(({ name }) => name),
    model,
    permissionMode: message.permissionMode ?? 'default',
  };
  return [{ kind: 'init', init }];
}

function statusFacts({ permissionMode, status }: CliSystem): CliFact[] {
  const facts: CliFact[] = [];
  if (permissionMode !== undefined) facts.push({ kind: 'modeChanged', permissionMode });
  if (status === 'requesting') facts.push({ kind: 'calling' });
  if (status === 'compacting') facts.push({ kind: 'progress', stage: status, message: 'Compacting the conversation' });
  return facts;
}

function retryMessage({
  attempt = 1,
  max_retries: most = 0,
  retry_delay_ms: delay = 0,
  error_status: status,
}: CliSystem) {
  const cause = status ? `The API answered ${status}` : 'The API did not answer';
  return `${cause}; attempt ${attempt} of ${most} follows in ${Math.ceil(delay / 1000)} s`;
}

/** Disks allocate blocks of at least this size, so a full one tears a line at a multiple of it. */
const BLOCK_BYTES = 4096;
const OPENING_BRACE = 0x7b;
const QUOTE = 0x22;
/**
 * The limit for parsing in search of the complete line: a line of 64 MiB has 16,384 candidate positions, and each would
 * be parsed to the end.
 */
const MAX_PARSED_BYTES = 64 * 1024 * 1024;

/**
 * Handles a partial line directly followed by a complete one, which a child leaves in its file after the disk was
 * temporarily full: the CLI continues after a failed write without reporting it (seen with 2.1.329). Returns the
 * complete line.
 */
export function findJoined({ offset, bytes, seams }: RawLine): ParsedLine | undefined {
  let left = MAX_PARSED_BYTES;
  for (const at of new Set([...seams, ...blockEnds(offset, bytes.length)])) {
    if (bytes[at] !== OPENING_BRACE || !beginsLine(bytes, at)) continue;
    const rest = bytes.subarray(at);
    const parsed = parseCliLine(rest);
    if (parsed.kind !== 'garbage') return parsed;
    left -= rest.length;
    if (left < 0) return undefined;
  }
  return undefined;
}

/** Every line of the CLI is an object that begins with a name. */
const beginsLine = (bytes: Buffer, at: number): boolean => bytes[at + 1] === QUOTE;

/** Multiples of the block size in the file, as positions in the line: at most one per block is checked. */
function blockEnds(offset: number, length: number): number[] {
  const first = BLOCK_BYTES - (offset % BLOCK_BYTES);
  return Array.from(
    { length: Math.max(0, Math.ceil((length - first) / BLOCK_BYTES)) },
    (_, index) => first + index * BLOCK_BYTES,
  );
}

const MAX_LINES = 8;
const MAX_LINE_BYTES = 500;
const MAX_WORDS = 4000;

/** The last lines that a CLI wrote outside its protocol. */
class LastWords {
  readonly #lines: string[] = [];

  get text(): string {
    return this.#lines.join('\n');
  }

  add(line: Buffer): void {
    const text = textOf(line);
    if (text === '') return;
    this.#lines.push(text);
    if (this.#lines.length > MAX_LINES) this.#lines.shift();
  }
}

/** A torn line of the protocol does not help a person. */
function textOf(line: Buffer): string {
  const text = plainText(line.subarray(0, MAX_LINE_BYTES).toString('utf8')).trim();
  return text.startsWith('{') || text.startsWith('"') ? '' : text;
}

/** The last output of a CLI for display: plain, at most 4,000 characters, without credentials. */
export function lastWordsOf(parts: readonly (string | Buffer)[]): string {
  const texts = parts.map((part) => (typeof part === 'string' ? plainText(part).trim() : textOf(part)));
  const words = texts.filter((text) => text !== '').join('\n');
  // The cut can fall into a surrogate pair.
  return withoutSecrets(words)
    .slice(-MAX_WORDS)
    .replace(/^\p{Cs}/u, '');
}

const KEYS = /\bsk-[\w-]{8,}/g;
const NAMED =
  /((?:authorization|api[-_]?key|auth[-_]?token|bearer|secret|password|cookie)["']?\s*[:=\s]\s*["']?(?:bearer\s+)?)[^\s"',;]{4,}/gi;

/** Output with parts of the environment or of requests can contain credentials. */
const withoutSecrets = (text: string): string => text.replace(KEYS, '(not shown)').replace(NAMED, '$1(not shown)');
