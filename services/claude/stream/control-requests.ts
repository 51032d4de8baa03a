/** What the CLI asks with its control requests. */
import type { CliFact } from '../../ports/claude.js';
import type { PermissionAsk } from '../../ports/records.js';
import type { CliControlRequest } from './cli-lines.js';
import { dialogOf } from './dialogs.js';

type AskedRequest = Pick<CliControlRequest, 'request_id' | 'request'>;

/** Newer CLIs require a person's own look at these; 2.1.197 does not say so. */
const IN_PERSON: ReadonlySet<string> = new Set(['AskUserQuestion', 'ExitPlanMode']);

/** What a request of the CLI asks: a person, or something that this daemon does not support. */
export function requestFacts({ request_id: requestId, request }: AskedRequest): CliFact[] {
  const { subtype = 'can_use_tool', tool_name: toolName, permission_suggestions: suggestions } = request;
  if (subtype === 'elicitation') return elicitationFacts(requestId, request);
  if (subtype === 'request_user_dialog') return dialogFacts(requestId, request);
  if (subtype !== 'can_use_tool' || toolName === undefined) return [unknownRequest(requestId, request)];
  const ask: PermissionAsk = {
    requestId,
    toolUseId: request.tool_use_id ?? '',
    toolName,
    input: request.input ?? {},
    ...(suggestions && { suggestions }),
    ...wordsOf(request),
    ...((request.requires_user_interaction || IN_PERSON.has(toolName)) && { mustBeOpened: true }),
    ...(request.default_to_no && { defaultsToNo: true }),
    ...(request.suppress_always_allow_rule && { cannotBeRemembered: true }),
  };
  return [{ kind: 'permissionAsked', ask }];
}

/** A kind that was not declared must not be answered: the CLI takes any answer for the person's, and asks elsewhere. */
function dialogFacts(requestId: string, request: AskedRequest['request']): CliFact[] {
  const { dialog_kind: dialogKind = '', payload = {}, tool_use_id: toolUseId = '' } = request;
  const dialog = dialogOf(dialogKind, payload);
  if (!dialog) {
    const message = `Claude Code shows a dialog that this daemon does not know: ${dialogKind}.`;
    return [{ kind: 'notice', notice: { kind: 'unsupported_request', level: 'warning', message } }];
  }
  const input = { dialogKind, ...dialog };
  const ask: PermissionAsk = {
    requestId,
    kind: 'dialog',
    toolUseId,
    toolName: 'dialog',
    input,
    title: dialog.title,
    mustBeOpened: true,
    cannotBeRemembered: true,
  };
  return [{ kind: 'permissionAsked', ask }];
}

/** An MCP server asks the person to fill a form or to open a page. */
function elicitationFacts(requestId: string, request: AskedRequest['request']): CliFact[] {
  const input = elicitationInput(request);
  if (!input) return [unknownRequest(requestId, request)];
  const { mcp_server_name: mcpServer, elicitation_id: elicitationId } = request;
  const ask: PermissionAsk = {
    requestId,
    kind: 'elicitation',
    toolUseId: '',
    toolName: 'elicitation',
    input,
    ...wordsOf(request),
    ...(mcpServer && { mcpServer }),
    ...(elicitationId && { elicitationId }),
    mustBeOpened: true,
    cannotBeRemembered: true,
  };
  return [{ kind: 'permissionAsked', ask }];
}

/** What clients are shown; undefined for a mode that this daemon does not know, and for a page that is not of the web. */
function elicitationInput(request: AskedRequest['request']): Record<string, unknown> | undefined {
  const { mode = 'form', message = '', requested_schema: schema = {}, property_order: order } = request;
  if (mode === 'url') {
    const page = webAddress(request.url);
    return page && { message, mode, url: page.href, host: page.host };
  }
  return mode === 'form' ? { message, mode, schema, order: order ?? namesOf(schema.properties) } : undefined;
}

const namesOf = (properties: unknown): string[] =>
  typeof properties === 'object' && properties !== null ? Object.keys(properties) : [];

/** As a browser would open it: without lookalike letters in its host, and without characters that hide a part of it. */
function webAddress(text = ''): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url?.protocol === 'https:' || url?.protocol === 'http:' ? url : undefined;
}

/** What the request says about itself. */
function wordsOf(request: AskedRequest['request']): Partial<PermissionAsk> {
  const { title, description, decision_reason: reason, decision_reason_type: reasonType } = request;
  const { display_name: displayName, agent_id: agentId, mcp_server: server, blocked_path: blockedPath } = request;
  return {
    ...(title && { title }),
    ...(displayName && { displayName }),
    ...(description && { description }),
    ...(reason && { reason }),
    ...(reasonType && { reasonType }),
    ...(agentId && { agentId }),
    ...(server && { mcpServer: server.name }),
    ...(blockedPath && { blockedPath }),
  };
}

function unknownRequest(requestId: string, request: AskedRequest['request']): CliFact {
  const about = [request.mcp_server_name, request.message].filter(Boolean).join(': ');
  return { kind: 'unknownRequest', requestId, subtype: request.subtype ?? 'request', ...(about && { about }) };
}
