/** The conversation of a session over REST: as messages, as prompts, and as one document. */
import * as z from 'zod';
import type { ContentBlock } from './content.js';
import { NOT_BOTH, notBoth, pageFields, pageShape } from './pages.js';
import { seqSchema, timestampSchema } from './scalars.js';
import { historyMessageSchema, historySchema } from './server-frames.js';

const flag = z.enum(['true', 'false']);
const seqField = z.coerce.number().int().min(0).optional().describe('A seq.');

/** `GET …/messages`. */
export const listMessagesSchema = z
  .object({
    ...pageFields,
    before: seqField,
    after: seqField,
    includeToolCalls: flag
      .optional()
      .describe(
        '`true`: each tool use with its `result`, and what its subagent has said; `false`: without tool uses; absent: as in `getMessageHistory`.',
      ),
  })
  .refine(notBoth, NOT_BOTH)
  .refine(({ cursor, before, after }) => cursor === undefined || (before === undefined && after === undefined), {
    path: ['cursor'],
    error: 'must not be given with before or after',
  });
export type ListMessages = z.infer<typeof listMessagesSchema>;

const toolAnswerSchema = z.object({
  success: z.boolean(),
  text: z.string(),
  truncated: z.boolean().optional(),
});
export type ToolAnswer = z.infer<typeof toolAnswerSchema>;

/** A tool use with what came of it; any other block as it is. */
const toldBlockSchema = z.object({
  type: z.string().describe('As in `ContentBlock`: `text`, `thinking`, `tool_use`, `image` …'),
  text: z.string().optional(),
  id: z.string().optional().describe('Of a tool use, as `name` and `input`.'),
  name: z.string().optional(),
  input: z.unknown().optional(),
  mediaType: z.string().optional().describe('Of an image, as `bytes`.'),
  bytes: z.int().optional(),
  result: toolAnswerSchema.optional().describe('Absent while the tool runs.'),
  subagent: z
    .array(z.record(z.string(), z.unknown()))
    .optional()
    .describe('The messages of the subagent that the tool use began, in the form of these.'),
});

/** A message with its tools and subagents. */
const toldMessageSchema = historyMessageSchema.extend({
  content: z.array(toldBlockSchema),
  subagents: z
    .array(z.object({ parentToolUseId: z.string(), messages: z.array(z.record(z.string(), z.unknown())) }))
    .optional()
    .describe('What subagents of earlier tool uses have said meanwhile, in the background.'),
  toolsTruncated: z.boolean().optional().describe('Tools have done more than is shown.'),
});
export type ToldBlock = ContentBlock & { result?: ToolAnswer; subagent?: ToldMessage[] };
export type ToldMessage = Omit<z.infer<typeof historyMessageSchema>, 'content'> & {
  content: ToldBlock[];
  subagents?: { parentToolUseId: string; messages: ToldMessage[] }[];
  toolsTruncated?: boolean;
};

export const messagePageSchema = historySchema.extend({
  messages: z.array(toldMessageSchema),
  nextCursor: pageShape.nextCursor,
});

/** `GET …/export`. */
export const exportSchema = z.object({
  format: z.enum(['markdown', 'json', 'jsonl']).default('markdown'),
  includeFiles: flag
    .default('false')
    .describe('`true`: with the contents of the files that tools have changed; needs the scope `files`.'),
  includeToolCalls: flag.default('true'),
});
export type Export = z.infer<typeof exportSchema>;

/** `GET …/history`: as the prompts of the first source document. */
export const listHistorySchema = z
  .object({
    ...pageFields,
    includeToolCalls: flag.default('false').describe('`true`: with `metadata.toolCalls`.'),
  })
  .refine(notBoth, NOT_BOTH);
export type ListHistory = z.infer<typeof listHistorySchema>;

const pastPromptSchema = z.object({
  id: z.string().describe('`promptId`; of a prompt that was typed in a terminal the id of its message.'),
  prompt: z.string(),
  response: z.string().optional().describe('What Claude has said last in the turn.'),
  error: z.string().optional(),
  status: z.enum(['queued', 'processing', 'completed', 'failed', 'cancelled']),
  metadata: z.object({
    messageId: z.string(),
    seq: seqSchema,
    deviceId: z.string().optional(),
    subtype: z.string().optional(),
    duration: z.number().optional(),
    tokenCount: z.int().optional(),
    cost: z.number().optional(),
    toolCalls: z
      .array(
        z.object({
          id: z.string(),
          tool: z.string(),
          params: z.unknown(),
          result: z.string().optional(),
          success: z.boolean().optional(),
          truncated: z.boolean().optional(),
          subagent: z.array(z.record(z.string(), z.unknown())).optional().describe("The subagent's messages."),
        }),
      )
      .optional(),
    truncated: z.boolean().optional().describe('Something of it is cut.'),
  }),
  createdAt: timestampSchema,
  completedAt: timestampSchema.optional(),
});
export type PastPrompt = z.infer<typeof pastPromptSchema>;

export const historyPageSchema = z.object({ prompts: z.array(pastPromptSchema), ...pageShape });
export type HistoryPage = z.infer<typeof historyPageSchema>;
