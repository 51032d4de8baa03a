/** The tools of the daemon as an MCP server. A tool is a command of REST: its scope, limit and audit entry are those. */
import * as z from 'zod';
import { permissionAnswerFields } from './client-frames.js';
import type { RestCommand } from './commands/rest.js';
import { listMessagesSchema, messagePageSchema } from './history.js';
import { listPlacesSchema, placesSchema } from './projects.js';
import { createPromptSchema, promptViewSchema } from './prompts.js';
import { continueSessionSchema, listSessionsSchema, sessionViewSchema } from './rest.js';
import { permissionIdSchema, promptIdSchema, requiredFieldSchema, sessionIdSchema } from './scalars.js';
import { searchResultsSchema, searchSchema } from './search.js';
import { listWaitingSchema, waitingSchema } from './waiting.js';

export interface McpTool {
  command: RestCommand;
  title: string;
  description: string;
  input: z.ZodObject;
  output: z.ZodObject;
  /** Changes nothing. */
  isReadOnly?: true;
  /** Ends or removes something. */
  isDestructive?: true;
}

/** What an agent needs of a session to choose and to follow one. */
const sessionSchema = sessionViewSchema.pick({
  sessionId: true,
  workingDirectory: true,
  projectName: true,
  sessionName: true,
  tags: true,
  status: true,
  isWorking: true,
  model: true,
  currentPrompt: true,
  lastPrompt: true,
  queueDepth: true,
  openPermissions: true,
  lastActivity: true,
});

const WAIT_MS = 45_000;
const MAX_WAIT_MS = 3_600_000;
const HISTORY = 20;

const waitSchema = z
  .int()
  .min(0)
  .max(MAX_WAIT_MS)
  .default(WAIT_MS)
  .describe('How long to wait for the end of the turn, in milliseconds. The prompt goes on after that.');

const { prompt, mode, allowedTools } = createPromptSchema.shape;
const { limit, ...messagePlace } = listMessagesSchema.shape;

export const MCP_TOOLS = {
  list_sessions: {
    command: 'listSessions',
    title: 'List sessions',
    description: 'Lists the Claude sessions of this daemon by last activity, newest first.',
    input: listSessionsSchema,
    output: z.object({ sessions: z.array(sessionSchema), total: z.int(), limit: z.int(), offset: z.int() }),
    isReadOnly: true,
  },
  list_projects: {
    command: 'listPlaces',
    title: 'List projects',
    description: 'Lists the directories in which sessions can be, those with a session first.',
    input: listPlacesSchema,
    output: placesSchema,
    isReadOnly: true,
  },
  start_session: {
    command: 'createSession',
    title: 'Start a session',
    description:
      'Opens the session of a directory, or joins the one that it has. Exactly one of workingDirectory, projectPath and folderName names the directory.',
    input: continueSessionSchema,
    output: sessionSchema.extend({ reused: z.boolean() }),
  },
  send_prompt: {
    command: 'createPrompt',
    title: 'Send a prompt',
    description:
      'Sends a prompt to a session and waits for its answer. When the turn takes longer than timeoutMs, the answer has the status processing, and wait_for_prompt waits on.',
    input: z.object({
      sessionId: sessionIdSchema,
      prompt,
      mode,
      allowedTools,
      requestId: requiredFieldSchema.optional().describe('The same one makes the same prompt: it runs once.'),
      wait: z.boolean().default(true).describe('`false`: answers when the prompt is recorded.'),
      timeoutMs: waitSchema,
    }),
    output: promptViewSchema,
  },
  wait_for_prompt: {
    command: 'showPrompt',
    title: 'Wait for a prompt',
    description: 'Waits for the end of a prompt, and shows what its turn has said and done so far.',
    input: z.object({ sessionId: sessionIdSchema, promptId: promptIdSchema, timeoutMs: waitSchema }),
    output: promptViewSchema,
    isReadOnly: true,
  },
  cancel_prompt: {
    command: 'cancelPrompt',
    title: 'Cancel a prompt',
    description: 'Cancels a prompt that waits, or interrupts its turn.',
    input: z.object({ sessionId: sessionIdSchema, promptId: promptIdSchema }),
    output: z.object({ promptId: z.string(), was: z.string().describe('Its state before.') }),
    isDestructive: true,
  },
  read_history: {
    command: 'listMessages',
    title: 'Read the history',
    description:
      'Reads messages of a session: the newest ones, or from a place that is named. nextCursor leads on to those before.',
    input: z.object({ sessionId: sessionIdSchema, limit: limit.unwrap().default(HISTORY), ...messagePlace }),
    output: messagePageSchema,
    isReadOnly: true,
  },
  search: {
    command: 'searchAll',
    title: 'Search',
    description: 'Finds what was said in all sessions, and in conversations that were held in a terminal.',
    input: searchSchema,
    output: searchResultsSchema,
    isReadOnly: true,
  },
  list_waiting: {
    command: 'listWaiting',
    title: 'List what waits',
    description: 'Lists the requests of all sessions that wait for an answer, and the prompts that run or wait.',
    input: listWaitingSchema,
    output: waitingSchema,
    isReadOnly: true,
  },
  answer: {
    command: 'answerPermission',
    title: 'Answer a request',
    description:
      'Allows or denies one use of a tool that waits for an answer. Questions, plans and what must be seen in the session are for a person, and so is what shall be remembered.',
    input: z.object({
      sessionId: sessionIdSchema,
      permissionId: permissionIdSchema,
      response: permissionAnswerFields.response,
      message: permissionAnswerFields.message,
    }),
    output: z.object({ permissionId: z.string(), decision: z.enum(['allow', 'deny']) }),
    isDestructive: true,
  },
} as const satisfies Record<string, McpTool>;

export type McpToolName = keyof typeof MCP_TOOLS;
export type McpInput<Name extends McpToolName> = z.output<(typeof MCP_TOOLS)[Name]['input']>;
export type McpOutput<Name extends McpToolName> = z.input<(typeof MCP_TOOLS)[Name]['output']>;
