/** MCP servers of the CLI. Listing can start a CLI; what a session can use is for those who may approve it. */
import {
  chooseToolsSchema,
  finishLoginSchema,
  listServersSchema,
  listServerToolsSchema,
  loginToServerSchema,
  reconnectServerSchema,
  toggleServerSchema,
} from '../mcp.js';
import { changes, type RestRule, reads } from './rules.js';

const CHANGE = { ...changes('approve', 'settings'), again: 'same' } as const;

export const MCP_COMMANDS = {
  listMcpServers: { at: 'GET /v1/mcp/servers', ...reads('prompt'), query: listServersSchema },
  listMcpTools: { at: 'GET /v1/mcp/servers/:id/tools', ...reads('prompt'), query: listServerToolsSchema },
  toggleMcpServer: { at: 'POST /v1/mcp/servers/:id/toggle', ...CHANGE, body: toggleServerSchema },
  reconnectMcpServer: { at: 'POST /v1/mcp/servers/:id/reconnect', ...CHANGE, body: reconnectServerSchema },
  loginToMcpServer: { at: 'POST /v1/mcp/servers/:id/login', ...CHANGE, secret: true, body: loginToServerSchema },
  finishMcpLogin: { at: 'POST /v1/mcp/servers/:id/login/callback', ...CHANGE, body: finishLoginSchema },
  showSessionTools: { at: 'GET /v1/sessions/:id/tools', ...reads('read') },
  chooseSessionTools: { at: 'POST /v1/sessions/:id/tools', ...CHANGE, body: chooseToolsSchema },
} as const satisfies Record<string, RestRule>;
