/** What the daemon does by itself: prompts at a time, and when another program calls. */
import { changeHookSchema, createHookSchema } from '../hooks.js';
import { MAX_HOOK_BODY_BYTES } from '../limits.js';
import { pageSchema } from '../pages.js';
import { plainObjectSchema } from '../scalars.js';
import { changeScheduleSchema, createScheduleSchema } from '../schedules.js';
import { changes, type RestRule, reads } from './rules.js';

export interface MaybePrompt {
  prompt?: string | undefined;
}

/** Their texts are admitted by the routes, since they run later and elsewhere. */
export const SCHEDULES_COMMANDS = {
  listSchedules: { at: 'GET /api/schedules', ...reads('read'), query: pageSchema },
  createSchedule: {
    at: 'POST /api/schedules',
    ...changes('prompt', 'prompt'),
    body: createScheduleSchema,
    prompt: ({ prompt: text = '' }: MaybePrompt) => ({ text, field: 'prompt' }),
  },
  showSchedule: { at: 'GET /api/schedules/:id', ...reads('read') },
  changeSchedule: {
    at: 'PATCH /api/schedules/:id',
    versioned: true,
    ...changes('prompt', 'prompt'),
    body: changeScheduleSchema,
    prompt: ({ prompt: text = '' }: MaybePrompt) => ({ text, field: 'prompt' }),
  },
  deleteSchedule: { at: 'DELETE /api/schedules/:id', versioned: true, ...changes('prompt', 'settings') },
  runSchedule: { at: 'POST /api/schedules/:id/run', ...changes('prompt', 'prompt') },
  listScheduleRuns: { at: 'GET /api/schedules/:id/runs', ...reads('read'), query: pageSchema },
  listHooks: { at: 'GET /api/hooks', ...reads('read'), query: pageSchema },
  createHook: {
    at: 'POST /api/hooks',
    secret: true,
    ...changes('prompt', 'settings'),
    body: createHookSchema,
    prompt: ({ template: text = '' }: { template?: string }) => ({ text, field: 'template' }),
  },
  showHook: { at: 'GET /api/hooks/:id', ...reads('read') },
  deliverHook: {
    at: 'POST /api/hooks/:id',
    ownCredential: true,
    ...reads('none'),
    maxBody: MAX_HOOK_BODY_BYTES,
    body: plainObjectSchema,
  },
  changeHook: {
    at: 'PATCH /api/hooks/:id',
    versioned: true,
    ...changes('prompt', 'settings'),
    body: changeHookSchema,
    prompt: ({ template: text = '' }: { template?: string }) => ({ text, field: 'template' }),
  },
  rotateHook: { at: 'POST /api/hooks/:id/rotate', versioned: true, secret: true, ...changes('prompt', 'settings') },
  deleteHook: { at: 'DELETE /api/hooks/:id', versioned: true, ...changes('prompt', 'settings') },
} as const satisfies Record<string, RestRule>;
