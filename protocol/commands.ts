/**
 * The only table of commands: the scope each needs, the limit it counts towards, and its audit entry, over every
 * transport. Frames are commands of the same name; `ROUTES` maps REST requests to commands.
 */
import type { Need } from './access.js';
import type { ClientData, ClientFrameType } from './client-frames.js';
import type { Attachment, PermissionMode } from './scalars.js';

/** The rate limit that a request counts towards. A frame also counts as a frame. */
export type Counted = 'reads' | 'prompts' | 'files';

/** The audit log's name for an action. */
export type AuditAction =
  | 'start'
  | 'stop'
  | 'prompt'
  | 'approve'
  | 'interrupt'
  | 'close'
  | 'read'
  | 'write'
  | 'pair'
  | 'login'
  | 'refresh'
  | 'logout'
  | 'revoke'
  | 'refused'
  | 'settings'
  | 'users';

/** Questions that a person no longer wants to be asked; granting them needs more than the command's scope. */
export interface Liberties {
  permissionMode?: PermissionMode | undefined;
  allowedTools?: readonly string[] | undefined;
}

/** A text passed to Claude, and its field. */
export interface Prompted {
  text: string;
  field: string;
  attachments?: readonly Attachment[] | undefined;
}

export interface CommandRule<Data> {
  /** `none`: anonymous callers are served, with less. `actionToken`: `approve`, or a push's token. */
  needs: Need | 'none' | 'actionToken';
  counts: Counted;
  /** Absent: there is no audit entry, or the command writes its own. */
  audit?: AuditAction;
  /** The text whose digest goes into the audit. */
  said?: (data: Data) => string;
  /** The text counts as a prompt, and can be a CLI command that needs a higher scope. */
  prompt?: (data: Data) => Prompted;
  liberties?: (data: Data) => Liberties;
  /** Clients rely on its order: it is accepted before the next frame of the connection is processed. */
  ordered?: true;
}

type FrameRules = { readonly [T in ClientFrameType]: CommandRule<ClientData<T>> };

export const FRAME_COMMANDS: FrameRules = {
  subscribe: { needs: 'read', counts: 'reads', audit: 'read', ordered: true },
  unsubscribe: { needs: 'read', counts: 'reads', ordered: true },
  ack: { needs: 'read', counts: 'reads', ordered: true },
  streamStart: {
    needs: 'prompt',
    counts: 'prompts',
    audit: 'prompt',
    said: ({ prompt }) => prompt,
    prompt: ({ prompt: text, attachments }) => ({ text, field: 'prompt', attachments }),
    liberties: ({ options = {} }) => options,
    ordered: true,
  },
  streamSend: {
    needs: 'prompt',
    counts: 'prompts',
    audit: 'prompt',
    said: ({ prompt }) => prompt,
    prompt: ({ prompt: text, attachments }) => ({ text, field: 'prompt', attachments }),
    ordered: true,
  },
  cancelPrompt: { needs: 'prompt', counts: 'reads', audit: 'interrupt' },
  interrupt: { needs: 'prompt', counts: 'reads', audit: 'interrupt' },
  streamClose: { needs: 'prompt', counts: 'reads', audit: 'close' },
  permission: { needs: 'approve', counts: 'reads', audit: 'approve', said: ({ response }) => response },
  setModel: { needs: 'prompt', counts: 'reads', audit: 'settings' },
  setPermissionMode: {
    needs: 'prompt',
    counts: 'reads',
    audit: 'settings',
    liberties: ({ mode }) => ({ permissionMode: mode }),
  },
  setWorkingDirectory: { needs: 'prompt', counts: 'reads', ordered: true },
  claudeCommand: {
    needs: 'prompt',
    counts: 'prompts',
    audit: 'prompt',
    said: ({ command }) => command,
    prompt: ({ command: text }) => ({ text, field: 'command' }),
    ordered: true,
  },
  ask: {
    needs: 'prompt',
    counts: 'prompts',
    audit: 'prompt',
    said: ({ prompt }) => prompt,
    prompt: ({ prompt: text }) => ({ text, field: 'prompt' }),
  },
  getMessageHistory: { needs: 'read', counts: 'reads', audit: 'read' },
  registerDevice: { needs: 'read', counts: 'reads', audit: 'settings' },
  clientBackgrounding: { needs: 'read', counts: 'reads' },
  clientForegrounding: { needs: 'read', counts: 'reads' },
  reauthenticate: { needs: 'credential', counts: 'reads', audit: 'refresh' },
  ping: { needs: 'credential', counts: 'reads' },
};

const rule = (needs: CommandRule<never>['needs'], audit?: AuditAction, counts: Counted = 'reads') => ({
  needs,
  counts,
  ...(audit && { audit }),
});

/** Commands that exist only in REST. */
const REST_COMMANDS = {
  live: rule('none'),
  health: rule('none'),
  ready: rule('credential'),
  metrics: rule('admin'),
  pair: rule('none'),
  login: rule('none'),
  refresh: rule('none'),
  logout: rule('credential'),
  createTicket: rule('credential'),
  showMe: rule('credential'),
  listSessions: rule('read'),
  createSession: { ...rule('prompt', 'settings'), liberties: (body: Liberties) => body },
  showSession: rule('read'),
  changeSession: { ...rule('prompt', 'settings'), liberties: (body: Liberties) => body },
  closeSession: rule('prompt', 'close'),
  readEvent: rule('read', 'read'),
  answerPermission: rule('actionToken'),
  listRemembered: rule('approve'),
  takeBackRemembered: rule('approve', 'settings'),
  readFile: rule('files', 'read', 'files'),
  writeFile: rule('files', 'write', 'files'),
  listWaiting: rule('read'),
  listDevices: rule('read'),
  changeDevice: rule('read', 'settings'),
  revokeDevice: rule('credential'),
  showQueue: rule('read'),
  registerPush: rule('read', 'settings'),
  changePushPreferences: rule('read', 'settings'),
  testPush: rule('read', 'settings'),
  listPushDeliveries: rule('read'),
  showVapidKey: rule('read'),
  administer: rule('admin'),
} as const satisfies Record<string, CommandRule<never>>;

export type RestCommand = keyof typeof REST_COMMANDS;

export interface RouteRule extends Pick<CommandRule<never>, 'needs' | 'counts' | 'audit'> {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** `:name` matches one segment, `*name` one or more. */
  path: string;
  command: RestCommand;
  /** Only on the local socket. */
  local?: true;
}

const route = (method: RouteRule['method'], path: string, command: RestCommand): RouteRule => ({
  method,
  path,
  command,
  ...ruleOf(command),
});
const local = (method: RouteRule['method'], path: string): RouteRule => ({
  ...route(method, path, 'administer'),
  local: true,
});

export const restCommand = <C extends RestCommand>(command: C): (typeof REST_COMMANDS)[C] => REST_COMMANDS[command];

function ruleOf(command: RestCommand): Pick<RouteRule, 'needs' | 'counts' | 'audit'> {
  const { needs, counts, audit }: CommandRule<never> = REST_COMMANDS[command];
  return { needs, counts, ...(audit && { audit }) };
}

const sessionRoutes = (base: string): RouteRule[] => [
  route('GET', base, 'listSessions'),
  route('POST', base, 'createSession'),
  route('GET', `${base}/:id`, 'showSession'),
  route('PATCH', `${base}/:id`, 'changeSession'),
  route('DELETE', `${base}/:id`, 'closeSession'),
  route('GET', `${base}/:id/events/:seq`, 'readEvent'),
  route('POST', `${base}/:id/permissions/:permissionId`, 'answerPermission'),
  route('GET', `${base}/:id/remembered`, 'listRemembered'),
  route('DELETE', `${base}/:id/remembered`, 'takeBackRemembered'),
  route('DELETE', `${base}/:id/remembered/:rememberedId`, 'takeBackRemembered'),
  route('GET', `${base}/:id/files`, 'readFile'),
  route('GET', `${base}/:id/files/*path`, 'readFile'),
  route('POST', `${base}/:id/files/*path`, 'writeFile'),
  route('PUT', `${base}/:id/files/*path`, 'writeFile'),
  route('DELETE', `${base}/:id/files/*path`, 'writeFile'),
];

/** All routes; anything not listed does not exist. */
export const ROUTES: readonly RouteRule[] = [
  route('GET', '/live', 'live'),
  route('GET', '/health', 'health'),
  route('GET', '/ready', 'ready'),
  route('GET', '/metrics', 'metrics'),
  route('POST', '/api/auth/pair', 'pair'),
  route('POST', '/api/auth/login', 'login'),
  route('POST', '/api/auth/refresh', 'refresh'),
  route('POST', '/api/auth/logout', 'logout'),
  route('POST', '/api/auth/ticket', 'createTicket'),
  route('GET', '/api/auth/me', 'showMe'),
  ...sessionRoutes('/api/sessions'),
  ...sessionRoutes('/api/claude-code/sessions'),
  route('GET', '/api/waiting', 'listWaiting'),
  route('GET', '/api/devices', 'listDevices'),
  route('PATCH', '/api/devices/:id', 'changeDevice'),
  route('DELETE', '/api/devices/:id', 'revokeDevice'),
  route('GET', '/api/devices/:id/queue', 'showQueue'),
  route('POST', '/api/push-notifications/register', 'registerPush'),
  route('POST', '/api/push-notifications/preferences', 'changePushPreferences'),
  route('POST', '/api/push-notifications/test', 'testPush'),
  route('GET', '/api/push-notifications/deliveries', 'listPushDeliveries'),
  route('GET', '/api/push-notifications/vapid-key', 'showVapidKey'),
  local('POST', '/local/token'),
  local('POST', '/local/stop'),
  local('POST', '/local/pair'),
  local('GET', '/local/users'),
  local('POST', '/local/users'),
  local('PATCH', '/local/users/:email'),
  local('DELETE', '/local/users/:email'),
  local('GET', '/local/devices'),
  local('DELETE', '/local/devices/:id'),
];
