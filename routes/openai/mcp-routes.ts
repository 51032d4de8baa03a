import { type Request, type Response, Router } from 'express';
import type { McpServer, SessionToolsView } from '../../protocol/mcp.js';
import type { SessionId } from '../../protocol/scalars.js';
import * as commands from '../../services/commands/mcp.js';
import { directoryOfProject } from '../../services/commands/projects.js';
import type { CliMcpServer } from '../../services/ports/claude.js';
import { callerOf, readBody, readQuery } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';

type OfServer = Request<{ id: string }>;

const directoryOf = (project: string | undefined) =>
  project === undefined ? undefined : directoryOfProject(project, 'project_id');

interface Placed {
  session_id?: SessionId | undefined;
  project_id?: string | undefined;
}

/** The server of a request, and where it is to be changed: the schema requires one of them. */
const ofServer = (
  request: OfServer,
  response: Response,
  { session_id: session, project_id: project = '' }: Placed,
) => ({
  caller: callerOf(response),
  server: request.params.id,
  at: session ?? directoryOfProject(project, 'project_id'),
});

/** `/v1/mcp/servers`. */
export function createMcpRoutes(services: RouteServices): Router {
  const router = Router();

  router.get('/', async (request, response) => {
    const { scope, project_id: project } = readQuery('listMcpServers', request);
    const input = { caller: callerOf(response), scope, directory: directoryOf(project) };
    const servers = await commands.listServers(services, input);
    response.json({ servers: servers.map(serverView), total: servers.length });
  });

  router.get('/:id/tools', async (request: OfServer, response) => {
    const directory = directoryOf(readQuery('listMcpTools', request).project_id);
    const input = { caller: callerOf(response), server: request.params.id, directory };
    const { name, status, tools } = await commands.findServer(services, input);
    response.json({ server: name, status, tools: tools.map((tool) => toolView(name, tool)) });
  });

  router.post('/:id/toggle', async (request: OfServer, response) => {
    const { enabled, ...placed } = readBody('toggleMcpServer', request);
    const input = { ...ofServer(request, response, placed), enabled };
    response.json(serverView(await commands.toggleServer(services, input)));
  });

  router.post('/:id/reconnect', async (request: OfServer, response) => {
    const input = ofServer(request, response, readBody('reconnectMcpServer', request));
    response.json(serverView(await commands.reconnectServer(services, input)));
  });

  router.post('/:id/login', async (request: OfServer, response) => {
    const { redirect_uri: redirectUri, ...placed } = readBody('loginToMcpServer', request);
    const input = { ...ofServer(request, response, placed), redirectUri };
    const { url } = await commands.loginToServer(services, input);
    response.json({ server: request.params.id, needs_person: url !== undefined, ...(url !== undefined && { url }) });
  });

  router.post('/:id/login/callback', async (request: OfServer, response) => {
    const { callback_url: callbackUrl, ...placed } = readBody('finishMcpLogin', request);
    const input = { ...ofServer(request, response, placed), callbackUrl };
    response.json(serverView(await commands.finishLogin(services, input)));
  });
  return router;
}

/** `/v1/sessions/:id/tools`. */
export function createSessionToolRoutes(services: RouteServices): Router {
  const router = Router();
  const ofSession = (request: OfServer, response: Response) => ({
    caller: callerOf(response),
    sessionId: request.params.id as SessionId,
  });

  router.get('/:id/tools', async (request: OfServer, response) => {
    response.json(toolsView(await commands.readSessionTools(services, ofSession(request, response))));
  });

  router.post('/:id/tools', async (request: OfServer, response) => {
    const body = readBody('chooseSessionTools', request);
    const { enabled_servers: enabledServers, enabled_tools: enabledTools, priority, audit_log: isAudited } = body;
    const input = { ...ofSession(request, response), enabledServers, enabledTools, priority, isAudited };
    response.json(toolsView(await commands.chooseSessionTools(services, input)));
  });
  return router;
}

const isEnabled = ({ status }: CliMcpServer): boolean => status !== 'disabled';

function serverView(server: CliMcpServer): McpServer {
  const { name, status, transport, error, serverName, serverVersion, tools } = server;
  const info = { ...(serverName && { name: serverName }), ...(serverVersion && { version: serverVersion }) };
  return {
    id: name,
    name,
    scope: commands.scopeOf(server),
    status,
    enabled: isEnabled(server),
    ...(transport !== undefined && { transport }),
    ...(error !== undefined && { error }),
    ...(Object.keys(info).length > 0 && { server_info: info }),
    tools: tools.map((tool) => tool.name),
  };
}

const toolView = (server: string, { name, description, readOnly }: CliMcpServer['tools'][number]) => ({
  name,
  full_name: commands.fullToolName(server, name),
  ...(description !== undefined && { description }),
  ...(readOnly !== undefined && { read_only: readOnly }),
});

function toolsView({ session, servers, choice }: commands.SessionTools): SessionToolsView {
  const { enabledTools, priority = [], isAudited = false } = choice;
  const isOn = (full: string) => !enabledTools || enabledTools.includes(full);
  return {
    session_id: session.id,
    servers: servers.map((server) => ({
      id: server.name,
      name: server.name,
      status: server.status,
      enabled: isEnabled(server),
      tools: server.tools.map((tool) => {
        const view = toolView(server.name, tool);
        return { ...view, enabled: isEnabled(server) && isOn(view.full_name) };
      }),
    })),
    enabled_tools: enabledTools ? [...enabledTools] : null,
    priority: [...priority],
    audit_log: isAudited,
  };
}
