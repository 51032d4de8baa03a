import { claudeSessionIdSchema } from '../../protocol/scalars.js';
import type { CliFact, CliLine, CutBlock, OpenBlock } from '../ports/claude.js';
import type { BackgroundTask, PermissionAsk } from '../ports/records.js';
import {
  type CliControlRequest,
  type CliControlResponse,
  type CliMessage,
  type CliResult,
  type CliSystem,
  type CliUser,
  type ParsedLine,
  parseCliLine,
} from './cli-lines.js';
import { resultText } from './content-blocks.js';
import { LastWords } from './last-words.js';
import type { RawLine } from './line-splitter.js';
import { MessageAssembler, type MessageAssemblerOptions } from './message-assembler.js';
import { authNotice, hookFeedback, limitNotice, resetNotice, systemNotice } from './notices.js';

/** Receives the answers to control requests when their lines arrive. */
export type ControlResponseHandler = (response: CliControlResponse) => CliFact[];

export interface FactReaderOptions extends MessageAssemblerOptions {
  onControlResponse: ControlResponseHandler;
}

/** Turns the output lines of one child into facts. */
export class FactReader {
  readonly #assembler: MessageAssembler;
  readonly #onControlResponse: ControlResponseHandler;
  readonly #words = new LastWords();

  constructor(options: FactReaderOptions) {
    this.#assembler = new MessageAssembler(options);
    this.#onControlResponse = options.onControlResponse;
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
    const lost: CliFact[] = joined ? [{ kind: 'outputLost' }] : [];
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
        return this.#assembler.wholeBlocks(message, offset);
      case 'user':
        return this.#userFacts(message);
      case 'result':
        return [...this.#assembler.cut(undefined), resultFact(message)];
      case 'system':
        return [...systemFacts(message), ...systemNotice(message)];
      case 'conversation_reset':
        return resetNotice();
      case 'auth_status':
        return authNotice(message.error);
      case 'rate_limit_event':
        return limitNotice(message);
      case 'control_request':
        return requestFacts(message);
      case 'control_response':
        return this.#onControlResponse(message.response);
      case 'control_cancel_request':
        return [{ kind: 'permissionWithdrawn', requestId: message.request_id }];
      case 'command_lifecycle':
        return lifecycleFacts(message.command_uuid, message.state);
    }
  }

  #userFacts({ isReplay, uuid, parent_tool_use_id: parentToolUseId, message }: CliUser): CliFact[] {
    const facts = parentToolUseId === undefined ? this.#assembler.endWhole() : this.#assembler.cut(parentToolUseId);
    if (isReplay) return uuid === undefined ? facts : [...facts, { kind: 'promptStarted', uuid }];
    return [...facts, ...(message?.content ?? []).flatMap((block) => userBlockFacts(block, parentToolUseId))];
  }
}

type UserBlock = NonNullable<CliUser['message']>['content'][number];

function userBlockFacts(block: UserBlock, parentToolUseId: string | undefined): CliFact[] {
  if (block.type === 'text') return hookFeedback(block.text ?? '');
  if (block.type !== 'tool_result') return [];
  return [
    {
      kind: 'toolResult',
      toolId: block.tool_use_id ?? '',
      text: resultText(block.content),
      isError: block.is_error ?? false,
      ...(parentToolUseId !== undefined && { parentToolUseId }),
    },
  ];
}

function lifecycleFacts(uuid: string, state: string | undefined): CliFact[] {
  if (state === 'started') return [{ kind: 'promptStarted', uuid }];
  return state === 'cancelled' ? [{ kind: 'promptDropped', uuid }] : [];
}

function resultFact(message: CliResult): CliFact {
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
      spontaneous: message.origin?.kind === 'task-notification',
      ...(usage && { usage }),
      ...(messageUuids && { messageUuids }),
      ...(totalCost !== undefined && { totalCost }),
    },
  };
}

function requestFacts({ request_id: requestId, request }: CliControlRequest): CliFact[] {
  const { subtype = 'can_use_tool', tool_name: toolName, permission_suggestions: suggestions } = request;
  if (subtype !== 'can_use_tool' || toolName === undefined) return [unknownRequest(requestId, request)];
  const { description, decision_reason: reason, blocked_path: blockedPath } = request;
  const ask: PermissionAsk = {
    requestId,
    toolUseId: request.tool_use_id ?? '',
    toolName,
    input: request.input ?? {},
    ...(suggestions && { suggestions }),
    ...(description && { description }),
    ...(reason && { reason }),
    ...(blockedPath && { blockedPath }),
  };
  return [{ kind: 'permissionAsked', ask }];
}

function unknownRequest(requestId: string, request: CliControlRequest['request']): CliFact {
  const about = [request.mcp_server_name, request.message].filter(Boolean).join(': ');
  return { kind: 'unknownRequest', requestId, subtype: request.subtype ?? 'request', ...(about && { about }) };
}

function systemFacts(message: CliSystem): CliFact[] {
  switch (message.subtype ?? '') {
    case 'init':
      return initFacts(message);
    case 'status':
      return statusFacts(message);
    case 'api_retry':
      return [{ kind: 'progress', stage: 'api_retry', message: retryMessage(message) }];
    case 'background_tasks_changed':
      return [{ kind: 'background', change: { kind: 'all', tasks: (message.tasks ?? []).map(taskOf) } }];
    case 'task_started':
      return startedFacts(message);
    case 'task_notification':
      return message.task_id === undefined
        ? []
        : [{ kind: 'background', change: { kind: 'removed', taskId: message.task_id } }];
    default:
      return [];
  }
}

function initFacts(message: CliSystem): CliFact[] {
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

/** 2.1.329 reports background tasks with `background_tasks_changed`; 2.1.197 does not mark them at the start. */
function startedFacts(message: CliSystem): CliFact[] {
  const { task_id: taskId, task_type: type, description } = message;
  if (taskId === undefined || message.is_backgrounded === false) return [];
  const task = {
    task_id: taskId,
    ...(type !== undefined && { task_type: type }),
    ...(description !== undefined && { description }),
  };
  return [{ kind: 'background', change: { kind: 'added', task: taskOf(task) } }];
}

const taskOf = (task: {
  task_id: string;
  task_type?: string | undefined;
  description?: string | undefined;
}): BackgroundTask => ({
  taskId: task.task_id,
  ...(task.task_type !== undefined && { type: task.task_type }),
  ...(task.description !== undefined && { description: task.description }),
});

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
