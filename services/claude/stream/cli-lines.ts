/**
 * The lines of the CLI's stream-json output that this daemon understands, as far as it needs them. Seen with Claude
 * Code 2.1.197, 2.1.329 and 2.1.332; unknown types, subtypes and fields are ignored, and an unreadable field counts as
 * absent.
 */
import * as z from 'zod';
import type { Usage } from '../../../protocol/content.js';
import { brokenJsonBound, parseJson } from '../../../protocol/json.js';
import { plainLine, plainText } from '../../../protocol/plain-text.js';

const HALF = /\\u[dD][89a-fA-F]/;
/** Matches every escape of a JSON text, so that none is matched in the middle of another; pairs before halves. */
const ESCAPES = /\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|u[dD][89a-fA-F][\da-fA-F]{2}|.)/gs;
const HALF_LENGTH = 6;
const REPLACEMENT = '\\ufffd';

/**
 * The same value without unpaired surrogates, on which some clients' decoders fail: U+FFFD replaces them. `json`: the
 * JSON text that it was parsed from. Costs one search where there is none.
 */
export const wellFormedValue = <Value>(value: Value, json: string = JSON.stringify(value) ?? ''): Value =>
  HALF.test(json)
    ? (JSON.parse(json.replace(ESCAPES, (part) => (part.length === HALF_LENGTH ? REPLACEMENT : part))) as Value)
    : value;

// Single values of the CLI's output, parsed as leniently as possible: an invalid value loses its own field, never the
// line that contains it.

/** Undefined where the value is missing, null or of another type. */
export const lenient = <Schema extends z.ZodType>(schema: Schema) => schema.optional().catch(undefined);

/** The readable elements of a list; an unreadable element loses only itself. */
export const lenientList = <Schema extends z.ZodType>(element: Schema) =>
  z.array(z.unknown()).transform((list) =>
    list.flatMap((value): z.output<Schema>[] => {
      const parsed = element.safeParse(value);
      return parsed.success ? [parsed.data] : [];
    }),
  );

const MAX_ID_UNITS = 512;
/** An identifier given by the CLI or the API behind it. It need not be unique. */
export const foreignId = z
  .string()
  .max(MAX_ID_UNITS)
  .regex(/^[^\p{Cc}\p{Cs}]+$/u);

const MAX_NAME = 256;
const ALTERED = '\ufffd';
/**
 * A display name of a tool, a model or a server. An altered one ends with U+FFFD, so that it never equals another name.
 */
export const shownName = z.string().transform((name) => {
  const plain = plainLine(name, MAX_NAME);
  return plain === name ? name : `${plain}${ALTERED}`;
});

/** A keyword of the CLI, such as a subtype or a permission mode. */
export const keyword = z.string().regex(/^[A-Za-z][\w.:-]{0,63}$/);

const MAX_WORDS = 16_384;
/** Multi-line text for a person. Blank text is invalid and counts as absent. */
export const shownText = z
  .string()
  .transform((text) => plainText(text.slice(0, MAX_WORDS)).trim())
  .refine((text) => text !== '');

/** Far above real values, and small enough for exact sums. */
const MAX_COUNT = 1e12;
const count = z.number().nonnegative().max(MAX_COUNT);

const MAX_USAGE_DEPTH = 4;
const MAX_USAGE_FIELDS = 64;

/**
 * Token counts as clients decode them: non-negative integers; other values are omitted, like every other field that is
 * neither a name nor nested.
 */
export const usage = z
  .record(z.string(), z.unknown())
  .transform((fields): Usage => cleanUsage(fields, MAX_USAGE_DEPTH));

function cleanUsage(fields: Record<string, unknown>, depth: number): Usage {
  const clean: Usage = {};
  for (const [name, value] of Object.entries(fields).slice(0, MAX_USAGE_FIELDS)) {
    const kept = cleanValue(name, value, depth);
    if (kept !== undefined) clean[plainLine(name, MAX_NAME)] = kept;
  }
  return clean;
}

const COUNTS = /(^|_)(tokens|requests|count|ms|seconds)$/;

function cleanValue(name: string, value: unknown, depth: number): unknown {
  if (typeof value === 'number')
    return count.safeParse(value).success ? wholeWhere(COUNTS.test(name), value) : undefined;
  if (COUNTS.test(name)) return undefined;
  if (typeof value === 'string') return plainLine(value, MAX_NAME);
  if (typeof value === 'boolean') return value;
  if (typeof value !== 'object' || value === null || depth === 0) return undefined;
  if (Array.isArray(value))
    return value.flatMap((one) => cleanValue('', one, depth - 1) ?? []).slice(0, MAX_USAGE_FIELDS);
  return cleanUsage(value as Record<string, unknown>, depth - 1);
}

const wholeWhere = (isWhole: boolean, value: number): number => (isWhole ? Math.trunc(value) : value);

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

/** Far in the future. */
const MAX_TIME = 1e15;
const time = z.number().nonnegative().max(MAX_TIME);

/** The structured result of a tool, as far as it is one that schedules prompts. */
const scheduleSchema = z
  .object({
    id: lenient(foreignId),
    humanSchedule: lenient(shownName),
    recurring: flag,
    nextFireAt: lenient(time),
    scheduledFor: lenient(time),
    jobs: lenient(lenientList(z.object({ id: foreignId }))),
  })
  .refine((fields) => Object.values(fields).some((field) => field !== undefined));

const hunkSchema = z.object({
  oldStart: index,
  oldLines: index,
  newStart: index,
  newLines: index,
  lines: z.array(z.string()),
});

const MAX_PATH = 4096;
/** The same of one that changes a file. */
const fileEditSchema = z.object({
  filePath: lenient(z.string().min(1).max(MAX_PATH)),
  structuredPatch: lenient(z.array(hunkSchema)),
  type: lenient(keyword),
  content: text,
});
export type CliFileEdit = z.infer<typeof fileEditSchema>;

/** The result of a tool in its own form, read as each of the forms that the daemon knows. */
const toolUseResultSchema = z.unknown().transform((result) => ({
  schedule: scheduleSchema.safeParse(result).data,
  edit: fileEditSchema.safeParse(result).data,
}));

const userSchema = z.object({
  type: z.literal('user'),
  uuid: text,
  isReplay: flag,
  parent_tool_use_id: lenient(foreignId),
  message: lenient(z.object({ content: cliContentSchema })),
  tool_use_result: toolUseResultSchema.optional(),
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
    api_error: lenient(keyword),
    terminal_reason: text,
    origin: lenient(z.object({ kind: text })),
    user_message_uuids: lenient(lenientList(z.string())),
  })
  .refine(({ subtype, is_error: isError, result }) => [subtype, isError, result].some((field) => field !== undefined));

const taskSchema = z.object({
  task_id: foreignId,
  task_type: lenient(shownName),
  description: lenient(shownName),
  ambient: flag,
});

const systemSchema = z.object({
  type: z.literal('system'),
  subtype: lenient(keyword),
  session_id: text,
  cwd: text,
  tools: lenient(lenientList(shownName)),
  mcp_servers: lenient(lenientList(z.object({ name: shownName, status: lenient(keyword) }))),
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
  ambient: flag,
  skip_transcript: flag,
  tool_use_id: lenient(foreignId),
  summary: lenient(shownText),
  patch: lenient(z.object({ status: lenient(keyword) })),
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
  title: lenient(shownName),
  tool_name: lenient(shownName),
  decision_reason: lenient(shownText),
  hook_name: lenient(shownName),
  hook_event: lenient(keyword),
  outcome: lenient(keyword),
  exit_code: lenient(z.int()),
  output: text,
  lost: lenient(lenientList(keyword)),
  commands: lenient(z.array(z.unknown())),
  terminal_slash_commands: lenient(lenientList(shownName)),
  output_style: lenient(shownName),
  mcp_server_name: lenient(shownName),
  elicitation_id: lenient(foreignId),
});
export type CliSystem = z.infer<typeof systemSchema>;

/** A flag that makes an answer harder: a value that cannot be understood counts as set. */
const restriction = z.preprocess((value) => value !== null && value !== false, z.boolean()).optional();

const requestSchema = z.object({
  subtype: lenient(keyword),
  tool_name: lenient(shownName),
  tool_use_id: lenient(foreignId),
  input: lenient(z.record(z.string(), z.unknown())),
  permission_suggestions: lenient(z.array(z.unknown())),
  description: lenient(shownText),
  decision_reason: lenient(shownText),
  decision_reason_type: lenient(keyword),
  blocked_path: lenient(shownName),
  title: lenient(shownText),
  display_name: lenient(shownName),
  agent_id: lenient(foreignId),
  mcp_server: lenient(z.object({ name: shownName })),
  requires_user_interaction: restriction,
  default_to_no: restriction,
  suppress_always_allow_rule: restriction,
  mcp_server_name: lenient(shownName),
  message: lenient(shownText),
  mode: lenient(keyword),
  url: text,
  elicitation_id: lenient(foreignId),
  requested_schema: lenient(z.record(z.string(), z.unknown())),
  property_order: lenient(lenientList(z.string())),
  dialog_kind: lenient(keyword),
  payload: lenient(z.record(z.string(), z.unknown())),
});

const askedSchema = z.object({ request_id: requestId, request: requestSchema.catch(requestSchema.parse({})) });
const controlRequestSchema = askedSchema.extend({ type: z.literal('control_request') });
const pending = lenient(lenientList(askedSchema));

const controlResponseSchema = z.object({
  type: z.literal('control_response'),
  response: z.object({
    subtype: lenient(keyword),
    request_id: requestId,
    error: lenient(shownText),
    response: lenient(z.record(z.string(), z.unknown())),
    pending_permission_requests: pending,
    pending_user_dialog_requests: pending,
    pending_elicitation_requests: pending,
  }),
});
export type CliControlResponse = z.infer<typeof controlResponseSchema>['response'];

/** Times are epoch seconds, shares from 0 to 1. */
const limitSchema = z.object({
  status: lenient(keyword),
  resetsAt: lenient(count),
  rateLimitType: lenient(keyword),
  utilization: lenient(count),
  isUsingOverage: flag,
  overageStatus: lenient(keyword),
  overageResetsAt: lenient(count),
  overageDisabledReason: lenient(keyword),
  unifiedWindows: lenient(
    z.record(keyword, z.object({ utilization: lenient(count), resetsAt: lenient(count) }).catch({})),
  ),
});

const rateLimitSchema = z.object({
  type: z.literal('rate_limit_event'),
  rate_limit_info: limitSchema.catch(limitSchema.parse({})),
});

const lifecycleSchema = z.object({
  type: z.literal('command_lifecycle'),
  command_uuid: z.string(),
  state: text,
  wakeup_source: text,
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
  lifecycleSchema,
  z.object({ type: z.literal('conversation_reset') }),
  z.object({ type: z.literal('prompt_suggestion'), suggestion: shownText }),
  z.object({ type: z.literal('auth_status'), error: lenient(shownText) }),
  rateLimitSchema,
] as const;
export type CliMessage = z.infer<(typeof SCHEMAS)[number]>;
export type CliStreamEvent = z.infer<typeof streamEventSchema>;
export type CliAssistant = z.infer<typeof assistantSchema>;
export type CliUser = z.infer<typeof userSchema>;
export type CliResult = z.infer<typeof resultSchema>;
export type CliControlRequest = z.infer<typeof controlRequestSchema>;
export type CliLifecycle = z.infer<typeof lifecycleSchema>;
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
