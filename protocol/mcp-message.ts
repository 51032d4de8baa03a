/** The messages of clients of the daemon as an MCP server. */
import * as z from 'zod';
import { SCOPES } from './access.js';
import { requiredFieldSchema } from './scalars.js';

const MAX_ID = 256;
const messageIdSchema = z.union([z.string().max(MAX_ID), z.int()], { error: 'must be a string or an integer' });
export type McpMessageId = z.infer<typeof messageIdSchema>;

/** The body of `POST /mcp`: one request or notification. */
export const mcpMessageSchema = z.object({
  jsonrpc: z.literal('2.0'),
  id: messageIdSchema.optional().describe('Absent: a notification.'),
  method: requiredFieldSchema,
  params: z.record(z.string(), z.unknown()).optional(),
});
export type McpMessage = z.infer<typeof mcpMessageSchema>;

const anyScope = `(${SCOPES.join('|')})`;

/** The query of `POST /mcp`. */
export const mcpQuerySchema = z.object({
  scopes: z
    .string()
    .regex(new RegExp(`^${anyScope}(,${anyScope})*$`), {
      error: `must be scopes separated by commas: ${SCOPES.join(', ')}`,
    })
    .optional()
    .describe("Of the credential's scopes only these count. Separated by commas."),
});

/** The answer to a request. */
export const mcpAnswerSchema = z.object({
  jsonrpc: z.literal('2.0'),
  id: messageIdSchema,
  result: z.record(z.string(), z.unknown()).optional(),
  error: z.object({ code: z.int(), message: z.string(), data: z.unknown().optional() }).optional(),
});
