/** MCP servers of the CLI, below `/v1/mcp`, and which of their tools a session has. */
import * as z from 'zod';
import { MAX_TOOL_RULES } from './limits.js';
import { nameSchema, requiredFieldSchema, sessionIdSchema } from './scalars.js';

export const listServersSchema = z
  .object({
    scope: z.enum(['user', 'project']).optional().describe('Default: both with `project_id`, else `user`.'),
    project_id: requiredFieldSchema.optional(),
  })
  .refine(({ scope, project_id: project }) => scope !== 'project' || project !== undefined, {
    path: ['project_id'],
    error: 'must be there with the scope project',
  });

export const listServerToolsSchema = z.object({ project_id: requiredFieldSchema.optional() });

const place = {
  session_id: sessionIdSchema.optional().describe('A session whose CLI runs.'),
  project_id: requiredFieldSchema.optional().describe('The project of such a session, in place of `session_id`.'),
};
const isPlaced = ({ session_id: session, project_id: project }: { session_id?: unknown; project_id?: unknown }) =>
  (session === undefined) !== (project === undefined);
const oneOf = { path: ['session_id'], error: 'must be there, or project_id in its place' };

const MAX_URL = 8192;
const addressSchema = z.url({ protocol: /^https?$/, error: 'must be an address of the web' }).max(MAX_URL);

export const reconnectServerSchema = z.object(place).refine(isPlaced, oneOf);
export const toggleServerSchema = z.object({ ...place, enabled: z.boolean() }).refine(isPlaced, oneOf);
export const loginToServerSchema = z
  .object({ ...place, redirect_uri: addressSchema.optional().describe("Absent: the CLI's own, on its machine.") })
  .refine(isPlaced, oneOf);
export const finishLoginSchema = z
  .object({ ...place, callback_url: addressSchema.describe('To which the page of the login has led.') })
  .refine(isPlaced, oneOf);

export const mcpServerSchema = z.object({
  id: z.string().describe('The same as `name`.'),
  name: z.string(),
  scope: z.enum(['user', 'project']).describe('Whether it is configured for the person or for the directory.'),
  status: z.string().describe('`connected`, `failed`, `needs-auth`, `pending` or `disabled`.'),
  enabled: z.boolean(),
  transport: z.string().optional().describe('`stdio`, `http`, `sse` …'),
  error: z.string().optional(),
  server_info: z.object({ name: z.string().optional(), version: z.string().optional() }).optional(),
  tools: z.array(z.string()).describe('Empty unless it is connected.'),
});
export type McpServer = z.infer<typeof mcpServerSchema>;
export const mcpServersSchema = z.object({ servers: z.array(mcpServerSchema), total: z.int() });

const mcpToolSchema = z.object({
  name: z.string(),
  full_name: z.string().describe('As in permission rules.'),
  description: z.string().optional(),
  read_only: z.boolean().optional(),
});
export const mcpToolsSchema = z.object({ server: z.string(), status: z.string(), tools: z.array(mcpToolSchema) });

export const mcpLoginSchema = z.object({
  server: z.string(),
  needs_person: z.boolean(),
  url: z.string().optional().describe('The page that the person opens.'),
});

const names = z.array(nameSchema.refine((name) => name !== '', { error: 'must not be empty' })).max(MAX_TOOL_RULES);

/** What is absent stays as it is. */
export const chooseToolsSchema = z.object({
  enabled_servers: names.optional().describe('All others are switched off.'),
  enabled_tools: names
    .nullish()
    .describe('As `server.tool`, or by their full names: all others of MCP servers are left out. `null`: all.'),
  priority: names.nullish().describe('Which Claude is asked to prefer, best first.'),
  audit_log: z.boolean().optional().describe('Each call of a tool of an MCP server has an entry in the audit log.'),
});

export const sessionToolsSchema = z.object({
  session_id: z.string(),
  servers: z.array(
    mcpServerSchema
      .pick({ id: true, name: true, status: true, enabled: true })
      .extend({ tools: z.array(mcpToolSchema.extend({ enabled: z.boolean() })) }),
  ),
  enabled_tools: z.array(z.string()).nullable().describe('By their full names; `null`: all.'),
  priority: z.array(z.string()),
  audit_log: z.boolean(),
});
export type SessionToolsView = z.infer<typeof sessionToolsSchema>;
