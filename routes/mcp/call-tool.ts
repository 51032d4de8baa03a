import type { CallToolResult, Tool } from '@modelcontextprotocol/sdk/types.js';
import * as z from 'zod';
import type { Need } from '../../protocol/access.js';
import { restRule } from '../../protocol/commands/rest.js';
import type { RestRule } from '../../protocol/commands/rules.js';
import type { ErrorCode } from '../../protocol/error-codes.js';
import { MCP_TOOLS, type McpTool, type McpToolName } from '../../protocol/mcp-tools.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { Principal } from '../../services/identity/principal.js';
import { digestOf } from '../../services/telemetry/digest-of.js';
import { requireLiberties, requireScope } from '../access/admission.js';
import { admitPrompt } from '../access/admit-prompt.js';
import { auditHttp } from '../http/audit-http.js';
import { errorBody, requestIdOf, toCompanionError } from '../http/http-errors.js';
import { deviceOf, parseInput } from '../http/request-context.js';
import type { McpContext, ToolCall } from './mcp-context.js';
import { TOOL_HANDLERS } from './tool-handlers.js';

interface Asked {
  name: string;
  input: unknown;
  /** Tells how far the call is; absent: the client does not ask. */
  tell?: (message: string) => void;
}

const isTool = (name: string): name is McpToolName => Object.hasOwn(MCP_TOOLS, name);

/** The scope of a tool is that of its command. */
const needOf = ({ needs }: RestRule): Need =>
  needs === 'actionToken' ? 'approve' : needs === 'none' ? 'credential' : needs;

/** The tools that the credential can use. */
export function toolList({ scopes }: Principal): Tool[] {
  const usable = Object.entries<McpTool>(MCP_TOOLS).filter(([, { command }]) => {
    const need = needOf(restRule(command));
    return need === 'credential' || scopes.has(need);
  });
  return usable.map(([name, tool]) => ({
    name,
    title: tool.title,
    description: tool.description,
    inputSchema: jsonSchemaOf(tool.input, 'input'),
    outputSchema: jsonSchemaOf(tool.output, 'output'),
    annotations: {
      title: tool.title,
      readOnlyHint: tool.isReadOnly ?? false,
      destructiveHint: tool.isDestructive ?? false,
      openWorldHint: false,
    },
  }));
}

const schemas = new WeakMap<z.ZodType, Tool['inputSchema']>();

function jsonSchemaOf(schema: z.ZodObject, io: 'input' | 'output'): Tool['inputSchema'] {
  const known = schemas.get(schema) ?? (z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Tool['inputSchema']);
  schemas.set(schema, known);
  return known;
}

/** Calls a tool as its command permits. An error is part of the result, so that the model sees it. */
export async function callTool(context: McpContext, asked: Asked): Promise<CallToolResult | undefined> {
  const { name } = asked;
  if (!isTool(name)) return undefined;
  const { services, response } = context;
  try {
    const output = await run(context, { ...asked, name });
    audit(context, { ...asked, name });
    services.metrics.toolCalls.inc({ tool: name, outcome: 'ok' });
    return { content: [{ type: 'text', text: JSON.stringify(output) }], structuredContent: output };
  } catch (thrown) {
    const error = toCompanionError(thrown);
    const requestId = requestIdOf(response);
    if (error.code === 'INTERNAL_ERROR') services.log.error('a tool failed', { requestId, error: String(thrown) });
    audit(context, { ...asked, name }, error.code);
    services.metrics.toolCalls.inc({ tool: name, outcome: error.code });
    const { suggestion } = error.details ?? {};
    const text = [`${error.code}: ${error.message}`, suggestion].filter(Boolean).join('\n');
    return { isError: true, content: [{ type: 'text', text }], _meta: { ...errorBody(error, requestId) } };
  }
}

interface Named extends Asked {
  name: McpToolName;
}

async function run(context: McpContext, { name, input: given, tell }: Named): Promise<Record<string, unknown>> {
  const { services, principal } = context;
  const { command, input: schema, output }: McpTool = MCP_TOOLS[name];
  const rule: RestRule = restRule(command);
  requireScope(principal, needOf(rule));
  const input = parseInput(schema, given, 'arguments');
  requireLiberties(principal, rule.liberties?.(input as never));
  const prompted = rule.prompt?.(input as never);
  if (prompted) {
    const at = () => input.sessionId as SessionId;
    await admitPrompt(services, { principal, device: deviceOf(principal), prompted, isCounted: true, at });
  }
  const handler = TOOL_HANDLERS[name] as (call: ToolCall, input: unknown) => Promise<object>;
  return output.parse(await handler({ ...context, ...(tell && { tell }) }, input));
}

/** As for a request of the command. One that nothing records is recorded when it was refused. */
function audit({ services, response }: McpContext, { name, input }: Named, failure?: ErrorCode): void {
  const rule: RestRule = restRule(MCP_TOOLS[name].command);
  // Answers are recorded wherever they come from.
  const own = rule.needs === 'actionToken' ? 'approve' : rule.audit;
  const action = own ?? (failure === 'PERMISSION_DENIED' ? 'refused' : undefined);
  if (!action) return;
  const { sessionId, permissionId, prompt } = (typeof input === 'object' ? (input ?? {}) : {}) as Record<
    string,
    unknown
  >;
  auditHttp(services, response, {
    action,
    ...(rule.prompt && typeof prompt === 'string' && { digest: digestOf(prompt) }),
    ...(typeof sessionId === 'string' && { sessionId }),
    ...(typeof permissionId === 'string' && { permissionId }),
    ...(failure && { outcome: failure }),
  });
}
