/** `GET /api/search`: what was said. */
import * as z from 'zod';
import { pageFields, pageShape } from './pages.js';
import { fieldSchema, requiredFieldSchema, seqSchema, sessionIdSchema, timestampSchema } from './scalars.js';

const MAX_QUERY = 1000;
const SAID_BY = ['user', 'assistant', 'tool'] as const;

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const momentSchema = z.union([z.iso.date(), z.iso.datetime({ offset: true })], {
  error: 'must be a day (YYYY-MM-DD, in UTC) or a time (2027-01-31T12:00:00Z)',
});

export const searchSchema = z
  .object({
    q: fieldSchema
      .min(1, { error: 'must not be empty' })
      .max(MAX_QUERY, { error: `must be at most ${MAX_QUERY} characters` })
      .describe('Words that must all be there, `"phrases"`, `begin*`, and `-without`.'),
    sessionId: sessionIdSchema.optional(),
    project: requiredFieldSchema
      .optional()
      .describe('The directory of the session; relative to the first of `PROJECT_ROOTS`.'),
    role: z
      .enum(SAID_BY, { error: `must be one of ${SAID_BY.join(', ')}` })
      .optional()
      .describe('Who said it: a person, Claude, or a tool with its input and output.'),
    tool: requiredFieldSchema.optional().describe('The name of a tool, such as `Bash`, in any case.'),
    since: momentSchema.optional().describe('The first day, or a time.'),
    until: momentSchema.optional().describe('The last day, or a time before which it was said.'),
    limit: pageFields.limit,
    cursor: pageFields.cursor,
  })
  .refine(({ since, until }) => since === undefined || until === undefined || startOf(since) < endOf(until), {
    path: ['until'],
    error: 'must not be before since',
  });
export type Search = z.infer<typeof searchSchema>;

const DAY_MS = 86_400_000;

/** Epoch milliseconds of the beginning of a day, or of a time. */
export const startOf = (moment: string): number => Date.parse(moment);

/** Of the end of a day, or of a time. */
export const endOf = (moment: string): number => Date.parse(moment) + (DAY.test(moment) ? DAY_MS : 0);

const markSchema = z.object({
  from: z.int().nonnegative().describe('In UTF-16 units of the text.'),
  to: z.int().nonnegative().describe('Exclusive.'),
});

const searchResultSchema = z.object({
  source: z
    .enum(['session', 'terminal'])
    .describe(
      '`terminal`: a conversation that was held outside of the sessions, to be resumed by its `claudeSessionId`.',
    ),
  sessionId: z.string().optional(),
  sessionName: z.string().optional(),
  seq: seqSchema.optional().describe('The event of the session.'),
  claudeSessionId: z.string().optional().describe('Of `terminal`.'),
  directory: z.string(),
  role: z.enum(SAID_BY),
  toolName: z.string().optional(),
  messageId: z.string().optional(),
  toolId: z.string().optional(),
  timestamp: timestampSchema,
  snippet: z
    .object({ text: z.string(), marks: z.array(markSchema) })
    .describe('Plain text around the words, and where they are in it. Show it as text: nothing in it is markup.'),
});

export const searchResultsSchema = z.object({
  results: z.array(searchResultSchema),
  limit: pageShape.limit,
  hasMore: pageShape.hasMore,
  nextCursor: pageShape.nextCursor,
  complete: z
    .boolean()
    .describe('`false`: the index is being filled, and something of the sessions can be missing. Search again later.'),
});
export type SearchResults = z.infer<typeof searchResultsSchema>;
export type SearchResult = z.infer<typeof searchResultSchema>;
