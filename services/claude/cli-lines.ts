/**
 * The lines of the CLI's stream-json output that this daemon understands, as far as it needs them. Seen with
 * Claude Code 2.1.197 and 2.1.329; unknown types, subtypes and fields are passed over.
 */
import * as z from 'zod';
import { brokenJsonBound } from '../../protocol/json-bounds.js';

const id = z.string().min(1);
const parent = z.string().nullish();
/** Far beyond what is real, and small enough to be counted on. */
const count = z.number().nonnegative().max(1e12);
const index = z.int().nonnegative().max(1e6);
const usage = z.record(z.string(), z.unknown());

const deltaSchema = z.object({
  text: z.string().optional(),
  thinking: z.string().optional(),
  partial_json: z.string().optional(),
});

const streamEventSchema = z.object({
  type: z.literal('stream_event'),
  parent_tool_use_id: parent,
  event: z.object({
    type: z.string(),
    index: index.optional(),
    message: z.object({ id }).optional(),
    content_block: z.object({ type: z.string(), id: id.optional(), name: z.string().optional() }).optional(),
    delta: deltaSchema.optional(),
  }),
});

export const cliBlockSchema = z.object({
  type: z.string(),
  text: z.string().optional(),
  thinking: z.string().optional(),
  id: id.optional(),
  name: z.string().optional(),
  input: z.unknown().optional(),
  tool_use_id: id.optional(),
  content: z.union([z.string(), z.array(z.unknown())]).optional(),
  is_error: z.boolean().nullish(),
});
export type CliBlock = z.infer<typeof cliBlockSchema>;

const assistantSchema = z.object({
  type: z.literal('assistant'),
  parent_tool_use_id: parent,
  aborted: z.boolean().optional(),
  error: z.string().optional(),
  message: z.object({
    id,
    model: z.string().optional(),
    usage: usage.optional(),
    content: z.array(cliBlockSchema),
  }),
});

const userSchema = z.object({
  type: z.literal('user'),
  uuid: z.string().optional(),
  isReplay: z.boolean().optional(),
  parent_tool_use_id: parent,
  message: z.object({ content: z.union([z.string(), z.array(cliBlockSchema)]) }),
});

const resultSchema = z.object({
  type: z.literal('result'),
  subtype: z.string(),
  is_error: z.boolean(),
  result: z.string().optional(),
  errors: z.array(z.string()).optional(),
  duration_ms: count.default(0),
  num_turns: count.default(0),
  total_cost_usd: count.optional(),
  usage: usage.optional(),
  api_error_status: z.number().nullish(),
  terminal_reason: z.string().nullish(),
  origin: z.object({ kind: z.string() }).nullish(),
  user_message_uuids: z.array(z.string()).optional(),
});

const taskSchema = z.object({
  task_id: id,
  task_type: z.string().optional(),
  description: z.string().optional(),
});

const systemSchema = z.object({
  type: z.literal('system'),
  subtype: z.string(),
  session_id: z.string().optional(),
  cwd: z.string().optional(),
  tools: z.array(z.string()).optional(),
  mcp_servers: z.array(z.object({ name: z.string() })).optional(),
  model: z.string().optional(),
  permissionMode: z.string().nullish(),
  status: z.string().nullish(),
  tasks: z.array(taskSchema).optional(),
  task_id: id.optional(),
  task_type: z.string().optional(),
  description: z.string().optional(),
  is_backgrounded: z.boolean().optional(),
  attempt: z.number().optional(),
  max_retries: z.number().optional(),
  retry_delay_ms: z.number().optional(),
  error_status: z.number().nullish(),
});
export type CliSystem = z.infer<typeof systemSchema>;

const canUseToolSchema = z.object({
  subtype: z.literal('can_use_tool'),
  tool_name: z.string(),
  tool_use_id: id,
  input: z.record(z.string(), z.unknown()),
  permission_suggestions: z.array(z.unknown()).optional(),
  description: z.string().optional(),
});

const controlRequestSchema = z.object({
  type: z.literal('control_request'),
  request_id: id,
  request: z.union([canUseToolSchema, z.object({ subtype: z.string() })]),
});

const controlResponseSchema = z.object({
  type: z.literal('control_response'),
  response: z.object({
    subtype: z.string(),
    request_id: id,
    error: z.string().optional(),
    response: z.record(z.string(), z.unknown()).optional(),
    pending_permission_requests: z.array(z.object({ request_id: id })).optional(),
  }),
});
export type CliControlResponse = z.infer<typeof controlResponseSchema>['response'];

const lineSchema = z.discriminatedUnion('type', [
  streamEventSchema,
  assistantSchema,
  userSchema,
  resultSchema,
  systemSchema,
  controlRequestSchema,
  controlResponseSchema,
  z.object({ type: z.literal('control_cancel_request'), request_id: id }),
  z.object({ type: z.literal('command_lifecycle'), command_uuid: z.string(), state: z.string() }),
]);
export type CliMessage = z.infer<typeof lineSchema>;
export type CliStreamEvent = z.infer<typeof streamEventSchema>;
export type CliAssistant = z.infer<typeof assistantSchema>;
export type CliUser = z.infer<typeof userSchema>;
export type CliResult = z.infer<typeof resultSchema>;
export type CliControlRequest = z.infer<typeof controlRequestSchema>;
export type CliCanUseTool = z.infer<typeof canUseToolSchema>;

const knownTypes = new Set(lineSchema.options.map((option) => option.shape.type.value as string));

/** `unknown`: well-formed, of a kind that this daemon has no use for. `garbage`: not what the CLI writes. */
export type ParsedLine = { kind: 'message'; message: CliMessage } | { kind: 'unknown' } | { kind: 'garbage' };

/** Deeper than any tool's input, and shallow enough for what walks it by recursion; more than any list of theirs. */
const BOUNDS = { depth: 256, outsideStrings: 8 * 1024 * 1024 };

/** Parses one line of the CLI's stdout. Never throws. */
export function parseCliLine(bytes: Buffer): ParsedLine {
  const text = bytes.toString('utf8');
  if (brokenJsonBound(text, BOUNDS) !== undefined) return { kind: 'garbage' };
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    return { kind: 'garbage' };
  }
  const parsed = lineSchema.safeParse(raw);
  if (parsed.success) return { kind: 'message', message: parsed.data };
  return { kind: isOfUnknownType(raw) ? 'unknown' : 'garbage' };
}

const isOfUnknownType = (raw: unknown): boolean =>
  typeof raw === 'object' && raw !== null && 'type' in raw && typeof raw.type === 'string' && !knownTypes.has(raw.type);
