/** Values by a JSON Schema, for requests that nobody thought of. */
import fc from 'fast-check';
import { anyCharacter } from './any-character.js';

type Json = Record<string, unknown>;

const text = fc.string({ unit: anyCharacter, maxLength: 20 });
const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  text,
  fc.constantFrom('', '-1', '1e9', 'NaN', 'true', '../..'),
);

/** Mostly what the schema permits, now and then anything. `parts` has what it refers to. */
export function valuesOf(schema: Json, parts: Json): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 6, arbitrary: permitted(schema, parts) }, { weight: 1, arbitrary: anything });
}

function permitted(schema: Json, parts: Json): fc.Arbitrary<unknown> {
  const { $ref, enum: choices, const: only, anyOf, oneOf, allOf, properties, items } = schema;
  if (typeof $ref === 'string') return permitted(parts[$ref.split('/').at(-1) ?? ''] as Json, parts);
  if (Array.isArray(choices)) return fc.constantFrom(...(choices as unknown[]));
  if ('const' in schema) return fc.constant(only);
  const options = (anyOf ?? oneOf) as Json[] | undefined;
  if (options) return fc.oneof(...options.map((option) => permitted(option, parts)));
  if (Array.isArray(allOf)) return permitted((allOf as Json[])[0] ?? {}, parts);
  if (properties) return objects(schema as { properties: Record<string, Json>; required?: string[] }, parts);
  if (schema.type === 'array') return fc.array(valuesOf((items ?? {}) as Json, parts), { maxLength: 3 });
  return scalars(schema);
}

function objects(
  { properties, required = [] }: { properties: Record<string, Json>; required?: string[] },
  parts: Json,
) {
  const fields = Object.fromEntries(Object.entries(properties).map(([name, field]) => [name, valuesOf(field, parts)]));
  return fc.record(fields, { requiredKeys: required.filter((name) => Object.hasOwn(fields, name)) });
}

function scalars({ type, minimum = -5, maximum = 1e6 }: { type?: string; minimum?: number; maximum?: number } & Json) {
  if (type === 'integer') return fc.integer({ min: Math.max(minimum, -5), max: Math.min(maximum, 1e6) });
  if (type === 'number') return fc.double({ min: Math.max(minimum, -5), max: Math.min(maximum, 1e6), noNaN: true });
  if (type === 'boolean') return fc.boolean();
  if (type === 'null') return fc.constant(null);
  return type === 'string' ? text : anything;
}
