/** The requests of OpenAI's clients for responses: `/v1/responses`. Fields that are not listed are ignored. */
import * as z from 'zod';
import { MAX_LIST } from './limits.js';
import { IMAGE_URL, none } from './openai.js';
import { modelSchema, promptTextSchema, requiredFieldSchema, sessionIdSchema } from './scalars.js';

const textPartSchema = z.object({ type: z.enum(['input_text', 'output_text', 'text']), text: promptTextSchema });
const imagePartSchema = z.object({ type: z.literal('input_image'), image_url: IMAGE_URL });
const partSchema = z.discriminatedUnion('type', [textPartSchema, imagePartSchema], {
  error: 'must be a part of the type input_text, output_text or input_image',
});

const inputMessageSchema = z.object({
  type: z.literal('message', { error: 'must be message: the client has no tools here' }).optional(),
  role: z.enum(['system', 'developer', 'user', 'assistant'], {
    error: 'must be system, developer, user or assistant',
  }),
  content: z.union([promptTextSchema, z.array(partSchema).max(MAX_LIST)]),
});
export type InputMessage = z.infer<typeof inputMessageSchema>;

const MOST_PAIRS = 16;
const metadataSchema = z
  .record(z.string().max(64), z.string().max(512))
  .refine((pairs) => Object.keys(pairs).length <= MOST_PAIRS, { error: `must have at most ${MOST_PAIRS} keys` });

const NO_CONVERSATION = 'must be absent: previous_response_id or session_id continues a conversation';

export const responseRequestSchema = z
  .object({
    model: modelSchema
      .optional()
      .describe("A model of `/v1/models`; `default`, or none: the session's own, or that of the CLI."),
    input: z
      .union([promptTextSchema, z.array(inputMessageSchema).min(1, { error: 'must not be empty' }).max(MAX_LIST)])
      .describe(
        'A text, or messages. In a conversation those after the last of the assistant: Claude knows the others.',
      ),
    instructions: promptTextSchema.nullish().describe("The `context` of the response's session."),
    stream: z.boolean().nullish(),
    background: z.boolean().nullish().describe('Answers at once; the turn goes on when the client leaves.'),
    store: z
      .boolean()
      .nullish()
      .describe('`false`: nothing is kept, and the answer cannot be read again. Absent: it is kept.'),
    previous_response_id: requiredFieldSchema
      .nullish()
      .describe('Continues its conversation. Where others follow that response already, a branch of it.'),
    session_id: sessionIdSchema
      .nullish()
      .describe(
        'Continues this session. Absent: a conversation of its own in an empty folder, where tools that would ask are denied.',
      ),
    metadata: metadataSchema.nullish(),
    tools: none('must be empty: Claude uses the tools of its CLI'),
    text: z.object({ format: z.object({ type: z.literal('text', { error: 'must be text' }) }).nullish() }).nullish(),
    conversation: z.null({ error: NO_CONVERSATION }).optional(),
    prompt: z.null({ error: 'must be absent: there are no stored prompts' }).optional(),
  })
  .refine(({ store, background }) => store !== false || !background, {
    path: ['store'],
    error: 'must be true with background',
  })
  .refine(
    ({ store, previous_response_id: previous, session_id: session }) => store !== false || !(previous ?? session),
    {
      path: ['store'],
      error: 'must be true in a conversation, which is kept',
    },
  )
  .refine(({ previous_response_id: previous, session_id: session }) => !(previous && session), {
    path: ['previous_response_id'],
    error: 'must not be there together with session_id',
  });
export type ResponseRequest = z.infer<typeof responseRequestSchema>;

export const showResponseSchema = z.object({
  stream: z.enum(['true', 'false']).optional().describe('`true`: as events, those of the past included.'),
  starting_after: z.coerce
    .number()
    .int()
    .min(0)
    .optional()
    .describe('With `stream`: only what follows the event with this `sequence_number`.'),
});

const outputTextSchema = z.object({
  type: z.literal('output_text'),
  text: z.string(),
  annotations: z.array(z.never()),
  logprobs: z.array(z.never()),
});

const responseStatusSchema = z
  .enum(['queued', 'in_progress', 'completed', 'failed', 'cancelled', 'incomplete'])
  .describe('`cancelled`: interrupted or cancelled. `incomplete`: it had too many steps.');
export type ResponseStatus = z.infer<typeof responseStatusSchema>;

const outputMessageSchema = z.object({
  id: z.string(),
  type: z.literal('message'),
  role: z.literal('assistant'),
  status: z.enum(['in_progress', 'completed', 'incomplete']),
  content: z.array(outputTextSchema),
});
export type OutputMessage = z.infer<typeof outputMessageSchema>;

const responseUsageSchema = z.object({
  input_tokens: z.int().describe('With those written to the cache and read from it.'),
  input_tokens_details: z.object({ cached_tokens: z.int(), cache_write_tokens: z.int() }),
  output_tokens: z.int(),
  output_tokens_details: z.object({ reasoning_tokens: z.int().describe('Always 0: the CLI counts them as output.') }),
  total_tokens: z.int(),
});

/** What OpenAI's clients expect to find, and what does not apply here. */
const fixedShape = {
  parallel_tool_calls: z.literal(true),
  temperature: z.null(),
  tool_choice: z.literal('auto'),
  tools: z.array(z.never()),
  top_p: z.null(),
  text: z.object({ format: z.object({ type: z.literal('text') }) }),
  truncation: z.literal('disabled'),
};

/** The object `response`. */
export const responseSchema = z.object({
  id: z.string().describe('`resp_` and the id of its prompt.'),
  object: z.literal('response'),
  created_at: z.int().describe('Epoch seconds.'),
  completed_at: z.int().nullable().describe('Epoch seconds.'),
  status: responseStatusSchema,
  background: z.boolean(),
  store: z.boolean(),
  error: z.object({ code: z.enum(['server_error', 'rate_limit_exceeded']), message: z.string() }).nullable(),
  incomplete_details: z.object({ reason: z.literal('max_output_tokens') }).nullable(),
  instructions: z.string().nullable().describe('Null where they are longer than 8,192 characters.'),
  max_output_tokens: z.null(),
  metadata: z.record(z.string(), z.string()),
  model: z.string(),
  output: z
    .array(outputMessageSchema)
    .describe('One message with the whole text, when the turn has ended with a text.'),
  previous_response_id: z.string().nullable(),
  usage: responseUsageSchema.nullable(),
  session_id: z.string().optional().describe('Of one that is kept.'),
  cost: z.number().optional().describe('US dollars.'),
  ...fixedShape,
});
export type ResponseObject = z.infer<typeof responseSchema>;

export const FIXED_FIELDS = {
  parallel_tool_calls: true,
  temperature: null,
  tool_choice: 'auto',
  tools: [],
  top_p: null,
  text: { format: { type: 'text' } },
  truncation: 'disabled',
} as const satisfies { [Field in keyof typeof fixedShape]: z.infer<(typeof fixedShape)[Field]> };

export const deletedResponseSchema = z.object({
  id: z.string(),
  object: z.literal('response'),
  deleted: z.literal(true),
});
