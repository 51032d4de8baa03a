/** What a credential may be good for, and which scope each frame and route needs. */
import * as z from 'zod';
import type { ClientFrameType } from './client-frames.js';

/**
 * `read`: see everything of the person, and be pushed to. `prompt`: open sessions, prompt and steer them. `approve`:
 * answer what waits for a person, and say what need not be asked. `files`, `terminal`: those. `admin`: other devices,
 * figures of the daemon, and modes that ask no questions.
 */
export const SCOPES = ['read', 'prompt', 'approve', 'files', 'terminal', 'admin'] as const;
export const scopeSchema = z.enum(SCOPES, { error: `must be one of ${SCOPES.join(', ')}` });
export type Scope = z.infer<typeof scopeSchema>;

/** `credential`: any valid one. */
export type Need = Scope | 'credential';

export const FRAME_NEEDS: Readonly<Record<ClientFrameType, Need>> = {
  subscribe: 'read',
  unsubscribe: 'read',
  ack: 'read',
  streamStart: 'prompt',
  streamSend: 'prompt',
  cancelPrompt: 'prompt',
  interrupt: 'prompt',
  streamClose: 'prompt',
  permission: 'approve',
  setModel: 'prompt',
  setPermissionMode: 'prompt',
  setWorkingDirectory: 'prompt',
  claudeCommand: 'prompt',
  ask: 'prompt',
  getMessageHistory: 'read',
  registerDevice: 'read',
  clientBackgrounding: 'read',
  clientForegrounding: 'read',
  reauthenticate: 'credential',
  ping: 'credential',
};

/** What a request counts as, for the limits. */
export type Counted = 'reads' | 'prompts' | 'files';

export interface RouteRule {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** `:name` stands for one segment, `*name` for one or more. */
  path: string;
  /** `nobody`: no credential is needed; what a stranger gets is less. `actionToken`: `approve`, or a token of a push. */
  needs: Need | 'nobody' | 'actionToken';
  counts: Counted;
  /** On the local socket alone. */
  local?: true;
}

const route = (method: RouteRule['method'], path: string, needs: RouteRule['needs'], counts: Counted = 'reads') => ({
  method,
  path,
  needs,
  counts,
});
const local = (method: RouteRule['method'], path: string) => ({
  ...route(method, path, 'admin'),
  local: true as const,
});

const sessionRoutes = (base: string): RouteRule[] => [
  route('GET', base, 'read'),
  route('POST', base, 'prompt'),
  route('GET', `${base}/:id`, 'read'),
  route('PATCH', `${base}/:id`, 'prompt'),
  route('DELETE', `${base}/:id`, 'prompt'),
  route('GET', `${base}/:id/events/:seq`, 'read'),
  route('POST', `${base}/:id/permissions/:permissionId`, 'actionToken'),
  route('GET', `${base}/:id/remembered`, 'approve'),
  route('DELETE', `${base}/:id/remembered`, 'approve'),
  route('DELETE', `${base}/:id/remembered/:rememberedId`, 'approve'),
  route('GET', `${base}/:id/files`, 'files', 'files'),
  route('GET', `${base}/:id/files/*path`, 'files', 'files'),
  route('POST', `${base}/:id/files/*path`, 'files', 'files'),
  route('PUT', `${base}/:id/files/*path`, 'files', 'files'),
  route('DELETE', `${base}/:id/files/*path`, 'files', 'files'),
];

/** Every route there is: what is not listed does not exist. */
export const ROUTES: readonly RouteRule[] = [
  route('GET', '/live', 'nobody'),
  route('GET', '/health', 'nobody'),
  route('GET', '/ready', 'credential'),
  route('GET', '/metrics', 'admin'),
  route('POST', '/api/auth/pair', 'nobody'),
  route('POST', '/api/auth/login', 'nobody'),
  route('POST', '/api/auth/refresh', 'nobody'),
  route('POST', '/api/auth/logout', 'credential'),
  route('POST', '/api/auth/ticket', 'credential'),
  route('GET', '/api/auth/me', 'credential'),
  ...sessionRoutes('/api/sessions'),
  ...sessionRoutes('/api/claude-code/sessions'),
  route('GET', '/api/waiting', 'read'),
  route('GET', '/api/devices', 'read'),
  route('PATCH', '/api/devices/:id', 'read'),
  route('DELETE', '/api/devices/:id', 'credential'),
  route('GET', '/api/devices/:id/queue', 'read'),
  route('POST', '/api/push-notifications/register', 'read'),
  route('POST', '/api/push-notifications/preferences', 'read'),
  route('POST', '/api/push-notifications/test', 'read'),
  route('GET', '/api/push-notifications/deliveries', 'read'),
  route('GET', '/api/push-notifications/vapid-key', 'read'),
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
