/** Sessions, their prompts, tasks, events and permissions. */
import type * as z from 'zod';
import { MAX_BODY_BYTES } from '../limits.js';
import { createPromptSchema, listPromptsSchema, waitForPromptSchema } from '../prompts.js';
import { answerPermissionSchema } from '../push.js';
import {
  backgroundTaskSchema,
  bulkSchema,
  continueSessionSchema,
  createSessionSchema,
  deleteSessionSchema,
  editPromptSchema,
  interruptSchema,
  listSessionsSchema,
  movePromptSchema,
  patchSessionSchema,
  rewindSchema,
} from '../rest.js';
import { changes, type Liberties, type RestRule, reads } from './rules.js';

export const SESSIONS_COMMANDS = {
  listSessions: { at: 'GET /api/sessions', ...reads('read'), query: listSessionsSchema },
  createSession: {
    at: 'POST /api/sessions',
    again: 'same',
    ...changes('prompt', 'settings'),
    body: createSessionSchema,
    liberties: (body: Liberties) => body,
  },
  // Before the rows of single sessions: their paths would match as well.
  listStatuses: { at: 'GET /api/sessions/status', ...reads('read') },
  continueSession: {
    at: 'POST /api/sessions/continue',
    again: 'same',
    ...changes('prompt', 'settings'),
    body: continueSessionSchema,
    liberties: (body: Liberties) => body,
  },
  changeSessions: { at: 'POST /api/sessions/bulk', ...changes('prompt', 'settings'), body: bulkSchema },
  showSession: { at: 'GET /api/sessions/:id', ...reads('read') },
  changeSession: {
    at: 'PATCH /api/sessions/:id',
    versioned: true,
    ...changes('prompt', 'settings'),
    body: patchSessionSchema,
    liberties: (body: Liberties) => body,
  },
  closeSession: {
    at: 'DELETE /api/sessions/:id',
    versioned: true,
    ...changes('prompt', 'close'),
    query: deleteSessionSchema,
  },
  listTasks: { at: 'GET /api/sessions/:id/tasks', ...reads('read') },
  backgroundTask: {
    at: 'POST /api/sessions/:id/tasks/background',
    ...changes('prompt', 'interrupt'),
    body: backgroundTaskSchema,
  },
  getTaskOutput: { at: 'GET /api/sessions/:id/tasks/:taskId/output', ...changes('read', 'read') },
  stopTask: { at: 'POST /api/sessions/:id/tasks/:taskId/stop', again: 'same', ...changes('prompt', 'interrupt') },
  showSessionQueue: { at: 'GET /api/sessions/:id/queue', ...reads('read') },
  clearQueue: { at: 'DELETE /api/sessions/:id/queue', ...changes('prompt', 'interrupt') },
  continueQueue: { at: 'POST /api/sessions/:id/queue/continue', ...changes('prompt', 'prompt') },
  createPrompt: {
    at: 'POST /api/sessions/:id/prompts',
    ...changes('prompt', 'prompt'),
    again: 'samePrompt',
    maxBody: MAX_BODY_BYTES.ofFile,
    body: createPromptSchema,
    query: waitForPromptSchema,
    liberties: ({ allowedTools }: Liberties) => ({ allowedTools }),
    prompt: ({ prompt: text, attachments }: z.infer<typeof createPromptSchema>) => ({
      text,
      field: 'prompt',
      attachments,
    }),
  },
  listPrompts: { at: 'GET /api/sessions/:id/prompts', ...changes('read', 'read'), query: listPromptsSchema },
  showPrompt: { at: 'GET /api/sessions/:id/prompts/:promptId', ...changes('read', 'read') },
  editPrompt: {
    at: 'PATCH /api/sessions/:id/prompts/:promptId',
    versioned: true,
    ...changes('prompt', 'prompt'),
    maxBody: MAX_BODY_BYTES.ofPrompt,
    body: editPromptSchema,
    prompt: ({ prompt: text }: { prompt: string }) => ({ text, field: 'prompt' }),
  },
  cancelPrompt: {
    at: 'DELETE /api/sessions/:id/prompts/:promptId',
    versioned: true,
    ...changes('prompt', 'interrupt'),
  },
  movePrompt: {
    at: 'POST /api/sessions/:id/prompts/:promptId/move',
    again: 'same',
    ...changes('prompt', 'settings'),
    body: movePromptSchema,
  },
  interruptSession: {
    at: 'POST /api/sessions/:id/interrupt',
    ...changes('prompt', 'interrupt'),
    body: interruptSchema,
  },
  rewindSession: { at: 'POST /api/sessions/:id/rewind', ...changes('approve', 'write'), body: rewindSchema },
  readEvent: { at: 'GET /api/sessions/:id/events/:seq', ...changes('read', 'read') },
  readTurnDiff: { at: 'GET /api/sessions/:id/prompts/:promptId/diff', ...changes('read', 'read') },
  listPermissions: { at: 'GET /api/sessions/:id/permissions', ...reads('read') },
  answerPermission: {
    at: 'POST /api/sessions/:id/permissions/:permissionId',
    again: 'same',
    ...reads('actionToken'),
    body: answerPermissionSchema,
  },
  listRemembered: { at: 'GET /api/sessions/:id/remembered', ...reads('approve') },
  takeBackAllRemembered: { at: 'DELETE /api/sessions/:id/remembered', ...changes('approve', 'settings') },
  takeBackRemembered: { at: 'DELETE /api/sessions/:id/remembered/:rememberedId', ...changes('approve', 'settings') },
} as const satisfies Record<string, RestRule>;
