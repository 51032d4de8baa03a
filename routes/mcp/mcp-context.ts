import type { Response } from 'express';
import type { McpMessage } from '../../protocol/mcp-message.js';
import type { Principal } from '../../services/identity/principal.js';
import type { RouteServices } from '../route-services.js';

/** A message of a client of the MCP server. */
export interface McpContext {
  services: RouteServices;
  response: Response;
  message: McpMessage;
  /** With the scopes that count for this message. */
  principal: Principal;
  /** Aborted when the client has cancelled the request. */
  cancelled: AbortSignal;
}

/** A call of a tool. */
export interface ToolCall extends McpContext {
  /** Tells how far the call is; absent: the client does not ask. */
  tell?: (message: string) => void;
}
