/** The requests of OpenAI's clients: `/v1/chat/completions`. Fields that are not listed are ignored. */
import * as z from 'zod';
import { MAX_LIST } from './limits.js';
import { modelSchema, promptTextSchema, sessionIdSchema } from './scalars.js';

const DATA_URL = /^data:image\/(?:png|jpeg|gif|webp);base64,/;

const textPartSchema = z.object({ type: z.literal('text'), text: promptTextSchema });
/** Where an image is. */
export const IMAGE_URL = z.string().regex(DATA_URL, {
  error: 'must be a data: URL of a PNG, JPEG, GIF or WebP in base64; the daemon fetches nothing',
});
const imagePartSchema = z.object({ type: z.literal('image_url'), image_url: z.object({ url: IMAGE_URL }) });
const partSchema = z.discriminatedUnion('type', [textPartSchema, imagePartSchema], {
  error: 'must be a part of the type text or image_url',
});

const messageSchema = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant'], {
    error: 'must be system, developer, user or assistant: the client has no tools here',
  }),
  content: z.union([promptTextSchema, z.array(partSchema).max(MAX_LIST), z.null()]).optional(),
});
export type ChatMessage = z.infer<typeof messageSchema>;

/** A list that has to be empty, or absent. */
export const none = (rule: string) => z.array(z.unknown()).max(0, { error: rule }).nullish();

export const chatSchema = z.object({
  model: modelSchema.describe("A model of `/v1/models`; `default`: the session's own, or that of the CLI."),
  messages: z
    .array(messageSchema)
    .min(1, { error: 'must not be empty' })
    .max(MAX_LIST)
    .refine((messages) => messages.some(({ role }) => role === 'user'), { error: 'must have a message of the user' })
    .describe('With `session_id` those after the last of the assistant: Claude knows the others.'),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  session_id: sessionIdSchema
    .nullish()
    .describe('Continues this session. Absent: an empty folder, where tools that would ask are denied.'),
  show_tools: z.boolean().nullish().describe('Tells in the text what tools do.'),
  n: z.literal(1, { error: 'must be 1' }).nullish(),
  tools: none('must be empty: Claude uses the tools of its CLI'),
  functions: none('must be empty: Claude uses the tools of its CLI'),
  response_format: z.object({ type: z.literal('text', { error: 'must be text' }) }).nullish(),
});
export type ChatRequest = z.infer<typeof chatSchema>;

const usageSchema = z.object({
  prompt_tokens: z.int().describe('With those written to the cache and read from it.'),
  completion_tokens: z.int(),
  total_tokens: z.int(),
  prompt_tokens_details: z.object({ cached_tokens: z.int() }),
});
export type ChatUsage = z.infer<typeof usageSchema>;

const finishReasonSchema = z
  .enum(['stop', 'length'])
  .describe('`length`: the turn was interrupted, or had too many steps.');
export type FinishReason = z.infer<typeof finishReasonSchema>;

/** The answer as a whole. */
export const chatCompletionSchema = z.object({
  id: z.string(),
  object: z.literal('chat.completion'),
  created: z.int().describe('Epoch seconds.'),
  model: z.string(),
  choices: z.array(
    z.object({
      index: z.literal(0),
      message: z.object({ role: z.literal('assistant'), content: z.string(), refusal: z.null() }),
      logprobs: z.null(),
      finish_reason: finishReasonSchema,
    }),
  ),
  usage: usageSchema,
  session_id: z.string().optional(),
  cost: z.number().optional().describe('US dollars.'),
});
export type ChatCompletion = z.infer<typeof chatCompletionSchema>;
