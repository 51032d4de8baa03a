import type { z } from 'zod';
import { PLAIN, toCompanionError } from '../../protocol/parse-client-frame.js';

/** Checks a body or query against its schema. Throws an error that names field and rule. */
export function parseInput<Schema extends z.ZodType>(schema: Schema, input: unknown, whole: string): z.infer<Schema> {
  const parsed = schema.safeParse(input ?? {}, PLAIN);
  if (!parsed.success) throw toCompanionError(parsed.error, whole);
  return parsed.data;
}
