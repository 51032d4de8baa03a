/**
 * The commands of REST requests: the scope, the input, the limit and the audit entry of each, and where it is. A twin of
 * a frame has a row of its own and calls the same use case.
 */
import type * as z from 'zod';
import { BUDGETS_COMMANDS } from './budgets.js';
import { FILES_COMMANDS } from './files.js';
import { HISTORY_COMMANDS } from './history.js';
import { IDENTITY_COMMANDS } from './identity.js';
import { LOCAL_COMMANDS } from './local.js';
import { MACHINE_COMMANDS } from './machine.js';
import { MCP_COMMANDS } from './mcp.js';
import { MCP_SERVER_COMMANDS } from './mcp-server.js';
import { OPENAI_COMMANDS } from './openai.js';
import { PROJECTS_COMMANDS } from './projects.js';
import { PUSH_COMMANDS } from './push.js';
import type { RestRule } from './rules.js';
import { SCHEDULES_COMMANDS } from './schedules.js';
import { SEARCH_COMMANDS } from './search.js';
import { SESSIONS_COMMANDS } from './sessions.js';
import { STREAM_COMMANDS } from './streams.js';
import { WEBHOOKS_COMMANDS } from './webhooks.js';

const REST_COMMANDS = {
  ...MACHINE_COMMANDS,
  ...IDENTITY_COMMANDS,
  ...SESSIONS_COMMANDS,
  ...STREAM_COMMANDS,
  ...HISTORY_COMMANDS,
  ...SEARCH_COMMANDS,
  ...FILES_COMMANDS,
  ...PROJECTS_COMMANDS,
  ...BUDGETS_COMMANDS,
  ...PUSH_COMMANDS,
  ...SCHEDULES_COMMANDS,
  ...WEBHOOKS_COMMANDS,
  ...OPENAI_COMMANDS,
  ...MCP_COMMANDS,
  ...MCP_SERVER_COMMANDS,
  ...LOCAL_COMMANDS,
};

/** The rows as they are written, for what derives types from them. */
export type RestRules = typeof REST_COMMANDS;
export type RestCommand = keyof RestRules;

/** The commands that have this part of the input. */
export type CommandWith<Part extends 'body' | 'query'> = {
  [C in RestCommand]: RestRules[C] extends Record<Part, z.ZodType> ? C : never;
}[RestCommand];

type InputSchema<C extends RestCommand, Part extends 'body' | 'query'> =
  RestRules[C] extends Record<Part, infer Schema> ? Schema : never;

/** The checked body or query of a command. */
export type RestInput<C extends RestCommand, Part extends 'body' | 'query'> = z.output<InputSchema<C, Part>>;

export const restRule = (command: RestCommand): RestRule => REST_COMMANDS[command];

export interface RouteRule extends RestRule {
  method: string;
  path: string;
  command: RestCommand;
}

/** Sessions are below a second path as well, where clients of other servers look for them. */
const OTHER_BASES: Readonly<Record<string, string>> = { '/api/sessions': '/api/claude-code/sessions' };

/** All routes; anything not listed does not exist. */
export const ROUTES: readonly RouteRule[] = (Object.keys(REST_COMMANDS) as RestCommand[]).flatMap(routesOf);

function routesOf(command: RestCommand): RouteRule[] {
  const rule = restRule(command);
  const [method = '', path = ''] = rule.at.split(' ');
  const paths = Object.entries(OTHER_BASES).flatMap(([base, other]) =>
    path === base || path.startsWith(`${base}/`) ? [path.replace(base, other)] : [],
  );
  return [path, ...paths].map((each) => ({ ...rule, method, path: each, command }));
}
