/** What clients of OpenAI's API ask. */
import { MAX_BODY_BYTES } from '../limits.js';
import { chatSchema } from '../openai.js';
import { createProjectSchema, forgetProjectSchema, listOwnSessionsSchema, openSessionSchema } from '../openai-views.js';
import { pageSchema } from '../pages.js';
import { responseRequestSchema, showResponseSchema } from '../responses.js';
import { changes, type RestRule, reads } from './rules.js';

export const OPENAI_COMMANDS = {
  completeChat: {
    at: 'POST /v1/chat/completions',
    ...changes('prompt', 'prompt'),
    // With images, which are files as well.
    maxBody: MAX_BODY_BYTES.ofFile,
    body: chatSchema,
    again: 'samePrompt',
    prompt: (body: { messages?: unknown }) => ({ text: lastUserText(body.messages), field: 'messages' }),
  },
  createResponse: {
    at: 'POST /v1/responses',
    ...changes('prompt', 'prompt'),
    // With images, which are files as well.
    maxBody: MAX_BODY_BYTES.ofFile,
    body: responseRequestSchema,
    again: 'samePrompt',
    prompt: ({ input }: { input?: unknown }) => ({
      text: typeof input === 'string' ? input : lastUserText(input),
      field: 'input',
    }),
  },
  showResponse: { at: 'GET /v1/responses/:id', ...reads('read'), query: showResponseSchema },
  cancelResponse: { at: 'POST /v1/responses/:id/cancel', ...changes('prompt', 'interrupt'), again: 'same' },
  deleteResponse: { at: 'DELETE /v1/responses/:id', ...changes('prompt', 'close') },
  listModels: { at: 'GET /v1/models', ...reads('read') },
  listModelCapabilities: { at: 'GET /v1/models/capabilities', ...reads('read') },
  showModel: { at: 'GET /v1/models/:id', ...reads('read') },
  listProjects: { at: 'GET /v1/projects', ...reads('read'), query: pageSchema },
  createProject: { at: 'POST /v1/projects', ...changes('files', 'write'), body: createProjectSchema },
  showProject: { at: 'GET /v1/projects/:id', ...reads('read') },
  forgetProject: { at: 'DELETE /v1/projects/:id', ...changes('prompt', 'close'), query: forgetProjectSchema },
  listOwnSessions: { at: 'GET /v1/sessions', ...reads('read'), query: listOwnSessionsSchema },
  openSession: { at: 'POST /v1/sessions', ...changes('prompt', 'settings'), body: openSessionSchema },
  showStats: { at: 'GET /v1/sessions/stats', ...reads('read') },
  showOwnSession: { at: 'GET /v1/sessions/:id', ...reads('read') },
  endSession: { at: 'DELETE /v1/sessions/:id', ...changes('prompt', 'close') },
} as const satisfies Record<string, RestRule>;

/** The text of the last message of the user, which can be any JSON when the request was refused. */
function lastUserText(messages: unknown): string {
  const last: unknown = Array.isArray(messages)
    ? messages.findLast((one) => fieldOf(one, 'role') === 'user')
    : undefined;
  const content = fieldOf(last, 'content');
  if (typeof content === 'string') return content;
  return Array.isArray(content) ? content.map((part) => textOf(fieldOf(part, 'text'))).join('') : '';
}

const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
