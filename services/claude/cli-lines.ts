/**
 * The lines of the CLI's stream-json output that this daemon understands, as far as it needs them. Seen with Claude
 * Code 2.1.197, 2.1.329 and 2.1.332; unknown types, subtypes and fields are ignored, and an unreadable field counts as
 * absent.
 */

import * as z from 'zod';
import { brokenJsonBound } from '../../protocol/json-bounds.js';
import { parseJson } from '../../protocol/parse-json.js';
import { count, foreignId, keyword, lenient, lenientList, shownName, shownText, usage } from './cli-values.js';
import { wellFormedValue } from './well-formed-json.js';

const text = lenient(z.string());
const flag = lenient(z.boolean());
const index = z.int().nonnegative().max(1e6);
/** Returned unchanged in the answer, whatever its form. */
const requestId = z.string().min(1);

const streamEventSchema = z.object({
  type: z.literal('stream_event'),
  parent_tool_use_id: lenient(foreignId),
  event: z.object({
    type: text,
    index: lenient(index),
    message: lenient(z.object({ id: lenient(foreignId) })),
    content_block: lenient(z.object({ type: text, id: lenient(foreignId), name: lenient(shownName) })),
    delta: lenient(z.object({ text, thinking: text, partial_json: text })),
  }),
});

const blockFields = z.object({
  type: lenient(keyword),
  text,
  thinking: text,
  id: lenient(foreignId),
  name: lenient(shownName),
  input: z.unknown().optional(),
  tool_use_id: lenient(foreignId),
  content: z.unknown().optional(),
  is_error: flag,
  source: lenient(z.object({ media_type: z.string(), data: z.string() })),
});

/** The fields determine a block's type where it does not name one. */
export const cliBlockSchema = blockFields.transform((block) => ({ ...block, type: block.type ?? kindOf(block) }));
export type CliBlock = z.infer<typeof cliBlockSchema>;

function kindOf({ text: said, thinking, name, tool_use_id: toolId }: z.infer<typeof blockFields>): string {
  if (toolId !== undefined) return 'tool_result';
  if (said !== undefined) return 'text';
  if (thinking !== undefined) return 'thinking';
  return name === undefined ? 'unknown' : 'tool_use';
}

const toList = (content: unknown): unknown => {
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  return typeof content === 'object' && content !== null && !Array.isArray(content) ? [content] : content;
};
/** A list of blocks; also accepts a single block, or a text without a block. */
export const cliContentSchema = z.preprocess(toList, lenientList(cliBlockSchema)).catch([]);

const assistantSchema = z.object({
  type: z.literal('assistant'),
  parent_tool_use_id: lenient(foreignId),
  aborted: flag,
  error: lenient(keyword),
  message: z.object({
    id: lenient(foreignId),
    model: lenient(shownName),
    usage: lenient(usage),
    content: cliContentSchema,
  }),
});

const userSchema = z.object({
  type: z.literal('user'),
  uuid: text,
  isReplay: flag,
  parent_tool_use_id: lenient(foreignId),
  message: lenient(z.object({ content: cliContentSchema })),
});

const resultSchema = z
  .object({
    type: z.literal('result'),
    subtype: lenient(keyword),
    is_error: flag,
    result: text,
    errors: lenient(lenientList(z.string())),
    duration_ms: count.catch(0),
    num_turns: count.catch(0),
    total_cost_usd: lenient(count),
    usage: lenient(usage),
    api_error_status: lenient(z.number()),
    terminal_reason: text,
    origin: lenient(z.object({ kind: text })),
    user_message_uuids: lenient(lenientList(z.string())),
  })
  .refine(({ subtype, is_error: isError, result }) => [subtype, isError, result].some((field) => field !== undefined));

const taskSchema = z.object({ task_id: foreignId, task_type: lenient(shownName), description: lenient(shownName) });

const systemSchema = z.object({
  type: z.literal('system'),
  subtype: lenient(keyword),
  session_id: text,
  cwd: text,
  tools: lenient(lenientList(shownName)),
  mcp_servers: lenient(lenientList(z.object({ name: shownName }))),
  model: lenient(shownName),
  permissionMode: lenient(keyword),
  status: lenient(keyword),
  compact_metadata: lenient(
    z.object({ trigger: lenient(keyword), pre_tokens: lenient(count), post_tokens: lenient(count) }),
  ),
  tasks: lenient(lenientList(taskSchema)),
  task_id: lenient(foreignId),
  task_type: lenient(shownName),
  description: lenient(shownName),
  is_backgrounded: flag,
  attempt: lenient(count),
  max_retries: lenient(count),
  retry_delay_ms: lenient(count),
  error_status: lenient(count),
  level: lenient(keyword),
  content: lenient(shownText),
  text: lenient(shownText),
  message: lenient(shownText),
  error: lenient(shownText),
  name: lenient(shownName),
  tool_name: lenient(shownName),
  decision_reason: lenient(shownText),
  hook_name: lenient(shownName),
  output: text,
  lost: lenient(lenientList(keyword)),
});
export type CliSystem = z.infer<typeof systemSchema>;

const requestSchema = z.object({
  subtype: lenient(keyword),
  tool_name: lenient(shownName),
  tool_use_id: lenient(foreignId),
  input: lenient(z.record(z.string(), z.unknown())),
  permission_suggestions: lenient(z.array(z.unknown())),
  description: lenient(shownText),
  decision_reason: lenient(shownText),
  blocked_path: lenient(shownName),
  mcp_server_name: lenient(shownName),
  message: lenient(shownText),
});

const controlRequestSchema = z.object({
  type: z.literal('control_request'),
  request_id: requestId,
  request: requestSchema.catch(requestSchema.parse({})),
});

const controlResponseSchema = z.object({
  type: z.literal('control_response'),
  response: z.object({
    subtype: lenient(keyword),
    request_id: requestId,
    error: lenient(shownText),
    response: lenient(z.record(z.string(), z.unknown())),
    pending_permission_requests: lenient(lenientList(z.object({ request_id: requestId }))),
  }),
});
export type CliControlResponse = z.infer<typeof controlResponseSchema>['response'];

const limitSchema = z.object({
  status: lenient(keyword),
  resetsAt: lenient(count),
  rateLimitType: lenient(keyword),
});

const rateLimitSchema = z.object({
  type: z.literal('rate_limit_event'),
  rate_limit_info: limitSchema.catch(limitSchema.parse({})),
});

const SCHEMAS = [
  streamEventSchema,
  assistantSchema,
  userSchema,
  resultSchema,
  systemSchema,
  controlRequestSchema,
  controlResponseSchema,
  z.object({ type: z.literal('control_cancel_request'), request_id: requestId }),
  z.object({ type: z.literal('command_lifecycle'), command_uuid: z.string(), state: text }),
  z.object({ type: z.literal('conversation_reset') }),
  z.object({ type: z.literal('auth_status'), error: lenient(shownText) }),
  rateLimitSchema,
] as const;
export type CliMessage = z.infer<(typeof SCHEMAS)[number]>;
export type CliStreamEvent = z.infer<typeof streamEventSchema>;
export type CliAssistant = z.infer<typeof assistantSchema>;
export type CliUser = z.infer<typeof userSchema>;
export type CliResult = z.infer<typeof resultSchema>;
export type CliControlRequest = z.infer<typeof controlRequestSchema>;
export type CliRateLimit = z.infer<typeof rateLimitSchema>;

const schemaOf = new Map<string, z.ZodType<CliMessage>>(
  SCHEMAS.map((schema) => [schema.shape.type.value, schema as z.ZodType<CliMessage>]),
);

/** `unknown`: well-formed, but of an unused type. `garbage`: not output of the CLI. */
export type ParsedLine = { kind: 'message'; message: CliMessage } | { kind: 'unknown' } | { kind: 'garbage' };

/** Deeper than any tool's input, shallow enough for recursive walks, and larger than any list of the CLI. */
const BOUNDS = { depth: 256, outsideStrings: 8 * 1024 * 1024 };

const STREAMED = '{"type":"stream_event"';

/** Parses one line of the CLI's stdout. Never throws. */
export function parseCliLine(bytes: Buffer): ParsedLine {
  const line = bytes.toString('utf8');
  if (brokenJsonBound(line, BOUNDS) !== undefined) return { kind: 'garbage' };
  const parsedLine = parseJson(line);
  if (typeof parsedLine !== 'object' || parsedLine === null || Array.isArray(parsedLine)) return { kind: 'garbage' };
  // A character can be split across two deltas.
  const raw = line.startsWith(STREAMED) ? parsedLine : wellFormedValue(parsedLine, line);
  const type = keyword.safeParse('type' in raw ? raw.type : undefined).data ?? typeByFields(raw);
  const schema = type === undefined ? undefined : schemaOf.get(type);
  if (!schema) return { kind: type === undefined ? 'garbage' : 'unknown' };
  const parsed = schema.safeParse({ ...raw, type });
  return parsed.success ? { kind: 'message', message: parsed.data } : { kind: 'garbage' };
}

/** The type of a line that does not name it. */
function typeByFields(raw: object): string | undefined {
  if ('event' in raw) return 'stream_event';
  if ('message' in raw) return isOfUser(raw.message) ? 'user' : 'assistant';
  if ('request' in raw && 'request_id' in raw) return 'control_request';
  if ('response' in raw) return 'control_response';
  if ('command_uuid' in raw) return 'command_lifecycle';
  if ('num_turns' in raw) return 'result';
  return 'subtype' in raw ? 'system' : undefined;
}

const isOfUser = (message: unknown): boolean =>
  typeof message === 'object' && message !== null && 'role' in message && message.role === 'user';
