/** JSON Schemas whose named parts are shared: a part stands once among the components of its document. */
import * as z from 'zod';
import { capitalised } from './field-table.js';
import { NAMED_SHAPES } from './named-shapes.js';
import { rulesOf, type Schema } from './schema-rules.js';

type Json = Record<string, unknown>;

const COMPONENTS = '#/components/schemas/';
const named = z.registry<{ id: string }>();
for (const [id, schema] of Object.entries(NAMED_SHAPES)) named.add(schema as z.ZodType, { id });

export interface SchemaParts {
  /** `output`: with what defaults and coercion leave of a value. */
  of(schema: z.ZodType, io?: 'input' | 'output'): Json;
  /** The named parts that were met, in order of their names. */
  readonly components: Json;
}

/** The named parts of one document. Rules that JSON Schema cannot express are in the description. */
export function createSchemaParts(): SchemaParts {
  const parts = new Map<string, Json>();
  const convert = (schema: z.ZodType, io: 'input' | 'output'): Json => {
    const {
      $schema: _,
      $defs = {},
      ...json
    } = z.toJSONSchema(schema, {
      io,
      metadata: named,
      unrepresentable: 'any',
      override: ({ zodSchema, jsonSchema }) => {
        const rules = rulesOf(zodSchema as Schema).join('; ');
        const told = [jsonSchema.description, rules && `${capitalised(rules)}.`].filter(Boolean).join(' ');
        if (told) jsonSchema.description = told;
        // An answer can have more fields: a later version may add some.
        if (io === 'output') delete jsonSchema.additionalProperties;
      },
    }) as Json & { $defs?: Record<string, Json> };
    for (const [id, part] of Object.entries($defs)) if (!parts.has(id)) parts.set(id, moved(part));
    return moved(json);
  };
  return {
    of: (schema, io = 'input') => {
      const name = named.get(schema)?.id;
      if (name === undefined) return convert(schema, io);
      if (!parts.has(name)) {
        const json = convert(schema, io);
        // A shape that is part of itself is among its own definitions.
        if (!parts.has(name)) parts.set(name, json);
      }
      return { $ref: `${COMPONENTS}${name}` };
    },
    get components() {
      return Object.fromEntries([...parts].sort(([a], [b]) => a.localeCompare(b)));
    },
  };
}

/** With references to the components of the document. */
function moved<Value>(value: Value): Value {
  if (Array.isArray(value)) return value.map(moved) as Value;
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([key]) => key !== 'id' || typeof (value as Json).id !== 'string');
  return Object.fromEntries(
    entries.map(([key, inner]) => [key, key === '$ref' ? String(inner).replace('#/$defs/', COMPONENTS) : moved(inner)]),
  ) as Value;
}
