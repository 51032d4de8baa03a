/**
 * Single values of the CLI's output, parsed as leniently as possible: an invalid value loses its own field, never the
 * line that contains it.
 */
import * as z from 'zod';
import type { Usage } from '../../protocol/content.js';
import { plainLine, plainText } from '../../protocol/plain-text.js';

/** Undefined where the value is missing, null or of another type. */
export const lenient = <Schema extends z.ZodType>(schema: Schema) => schema.optional().catch(undefined);

/** The readable elements of a list; an unreadable element loses only itself. */
export const lenientList = <Schema extends z.ZodType>(element: Schema) =>
  z.array(z.unknown()).transform((list) =>
    list.flatMap((value): z.output<Schema>[] => {
      const parsed = element.safeParse(value);
      return parsed.success ? [parsed.data] : [];
    }),
  );

const MAX_ID_UNITS = 512;
/** An identifier given by the CLI or the API behind it. It need not be unique. */
export const foreignId = z
  .string()
  .max(MAX_ID_UNITS)
  .regex(/^[^\p{Cc}\p{Cs}]+$/u);

const MAX_NAME = 256;
const ALTERED = '\ufffd';
/**
 * A display name of a tool, a model or a server. An altered one ends with U+FFFD, so that it never equals another name.
 */
export const shownName = z.string().transform((name) => {
  const plain = plainLine(name, MAX_NAME);
  return plain === name ? name : `${plain}${ALTERED}`;
});

/** A keyword of the CLI, such as a subtype or a permission mode. */
export const keyword = z.string().regex(/^[A-Za-z][\w.:-]{0,63}$/);

const MAX_WORDS = 16_384;
/** Multi-line text for a person. Blank text is not valid: it means that there is none. */
export const shownText = z
  .string()
  .transform((text) => plainText(text.slice(0, MAX_WORDS)).trim())
  .refine((text) => text !== '');

/** Far above real values, and small enough for exact sums. */
const MAX_COUNT = 1e12;
export const count = z.number().nonnegative().max(MAX_COUNT);

const MAX_USAGE_DEPTH = 4;
const MAX_USAGE_FIELDS = 64;

/**
 * Token counts as clients decode them: non-negative integers; other values are omitted, like every other field that is
 * neither a name nor nested.
 */
export const usage = z
  .record(z.string(), z.unknown())
  .transform((fields): Usage => cleanUsage(fields, MAX_USAGE_DEPTH));

function cleanUsage(fields: Record<string, unknown>, depth: number): Usage {
  const clean: Usage = {};
  for (const [name, value] of Object.entries(fields).slice(0, MAX_USAGE_FIELDS)) {
    const kept = cleanValue(name, value, depth);
    if (kept !== undefined) clean[plainLine(name, MAX_NAME)] = kept;
  }
  return clean;
}

const COUNTS = /(^|_)(tokens|requests|count|ms|seconds)$/;

function cleanValue(name: string, value: unknown, depth: number): unknown {
  if (typeof value === 'number')
    return count.safeParse(value).success ? wholeWhere(COUNTS.test(name), value) : undefined;
  if (COUNTS.test(name)) return undefined;
  if (typeof value === 'string') return plainLine(value, MAX_NAME);
  if (typeof value === 'boolean') return value;
  if (typeof value !== 'object' || value === null || depth === 0) return undefined;
  if (Array.isArray(value))
    return value.flatMap((one) => cleanValue('', one, depth - 1) ?? []).slice(0, MAX_USAGE_FIELDS);
  return cleanUsage(value as Record<string, unknown>, depth - 1);
}

const wholeWhere = (isWhole: boolean, value: number): number => (isWhole ? Math.trunc(value) : value);
