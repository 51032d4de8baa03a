/** Numbers in a query are digits and nothing else: `z.coerce` reads an empty text as 0, and `0x10` as 16. */
import * as z from 'zod';
import { invalid } from '../../protocol/error-codes.js';

const DIGITS = /^-?\d{1,16}$/;
const known = new WeakMap<z.ZodType, readonly string[]>();

/** Throws `INVALID_REQUEST` for a parameter that the schema takes for a number, and that is written otherwise. */
export function requireDigits(schema: z.ZodType, query: Readonly<Record<string, unknown>>): void {
  for (const field of numbersIn(schema)) {
    const value = query[field];
    if (typeof value === 'string' && !DIGITS.test(value)) throw invalid(field, 'must be a whole number');
  }
}

function numbersIn(schema: z.ZodType): readonly string[] {
  let fields = known.get(schema);
  if (fields) return fields;
  const shape: Record<string, unknown> = schema instanceof z.ZodObject ? schema.shape : {};
  fields = Object.keys(shape).filter((name) => isNumber(shape[name]));
  known.set(schema, fields);
  return fields;
}

const isNumber = (field: unknown): boolean =>
  field instanceof z.ZodOptional || field instanceof z.ZodDefault
    ? isNumber(field.unwrap())
    : field instanceof z.ZodNumber;
