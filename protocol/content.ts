/** The wire format of content blocks. */
import * as z from 'zod';

const textBlockSchema = z.object({ type: z.literal('text'), text: z.string() });
const thinkingBlockSchema = z.object({ type: z.literal('thinking'), text: z.string() });
const toolUseBlockSchema = z.object({
  type: z.literal('tool_use'),
  id: z.string(),
  name: z.string(),
  input: z.unknown(),
});
const imageBlockSchema = z.object({ type: z.literal('image'), mediaType: z.string(), bytes: z.int() });
/** A block kind unknown to this version: its type and, if present, its text. */
const otherBlockSchema = z.object({ type: z.string(), text: z.string().optional() });

export const contentBlockSchema = z.union([
  textBlockSchema,
  thinkingBlockSchema,
  toolUseBlockSchema,
  imageBlockSchema,
  otherBlockSchema,
]);
export type ContentBlock = z.infer<typeof contentBlockSchema>;

/** Token counts as the CLI reports them. */
export const usageSchema = z.record(z.string(), z.unknown());
export type Usage = z.infer<typeof usageSchema>;
