/** The daemon as an MCP server. Each tool has the scope, the limit and the audit entry of its command. */
import { MAX_BODY_BYTES } from '../limits.js';
import { mcpMessageSchema, mcpQuerySchema } from '../mcp-message.js';
import { type RestRule, reads } from './rules.js';

export const MCP_SERVER_COMMANDS = {
  callMcp: {
    at: 'POST /mcp',
    ...reads('credential'),
    maxBody: MAX_BODY_BYTES.ofPrompt,
    body: mcpMessageSchema,
    query: mcpQuerySchema,
  },
} as const satisfies Record<string, RestRule>;
