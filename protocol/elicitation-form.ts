/** The form of an elicitation: the restricted JSON Schema of MCP (2025-11-25), and the values that fit it. */
import * as z from 'zod';
import { invalid } from './error-codes.js';
import type { Answers } from './scalars.js';

export type FormValue = Answers[string];

// The schema comes from an MCP server: a rule that cannot be read is no rule, and the server checks the values itself.
const text = z.string().optional().catch(undefined);
const texts = z.array(z.string()).optional().catch(undefined);
const count = z.int().nonnegative().optional().catch(undefined);
const bound = z.number().optional().catch(undefined);
const titled = z
  .array(z.object({ const: z.string(), title: text }))
  .optional()
  .catch(undefined);

/** `pattern` is no rule of MCP's forms. It is not run: a server could choose one that takes for ever. */
const propertySchema = z.object({
  type: text,
  title: text,
  description: text,
  enum: texts,
  enumNames: texts,
  oneOf: titled,
  items: z.object({ enum: texts, anyOf: titled }).optional().catch(undefined),
  format: text,
  minLength: count,
  maxLength: count,
  minimum: bound,
  maximum: bound,
  minItems: count,
  maxItems: count,
  default: z
    .union([z.string(), z.array(z.string()), z.number(), z.boolean()])
    .optional()
    .catch(undefined),
});
type Rules = z.infer<typeof propertySchema>;

const formSchema = z.object({
  properties: z.record(z.string(), z.unknown()).catch({}).default({}),
  required: z.array(z.string()).catch([]).default([]),
});

export interface FormProperty {
  name: string;
  isRequired: boolean;
  /** The values to choose from, where only some are allowed. */
  choices?: { value: string; title: string }[];
  rules: Rules;
}

/** The properties of a form, in the given order; those that it does not name follow. */
export function propertiesOf(schema: unknown, order: readonly string[] = []): FormProperty[] {
  const parsed = formSchema.safeParse(schema);
  if (!parsed.success) return [];
  const { properties, required } = parsed.data;
  const names = new Set([...order.filter((name) => Object.hasOwn(properties, name)), ...Object.keys(properties)]);
  return [...names].map((name) => {
    const rules = propertySchema.safeParse(properties[name]).data ?? propertySchema.parse({});
    const choices = choicesOf(rules);
    return { name, isRequired: required.includes(name), ...(choices && { choices }), rules };
  });
}

function choicesOf({ enum: values, enumNames, oneOf, items }: Rules): FormProperty['choices'] {
  const listed = values ?? items?.enum;
  if (listed) return listed.map((value, index) => ({ value, title: enumNames?.[index] ?? value }));
  return (oneOf ?? items?.anyOf)?.map(({ const: value, title = value }) => ({ value, title }));
}

/**
 * The values of a filled form. Throws `INVALID_REQUEST` with the field `answers.<property>` for a value that does not
 * fit, one that is missing, and one that was not asked for.
 */
export function filledForm(schema: unknown, answers: Answers = {}): Answers {
  const properties = new Map(propertiesOf(schema).map((property) => [property.name, property]));
  for (const [name, value] of Object.entries(answers)) {
    const property = properties.get(name);
    const problem = property ? problemOf(property, value) : 'must be a property of the form';
    if (problem !== undefined) throw invalid(`answers.${name}`, problem);
  }
  for (const { name, isRequired } of properties.values()) {
    if (isRequired && !Object.hasOwn(answers, name)) throw invalid(`answers.${name}`, 'must be given');
  }
  return answers;
}

/** The rule that the value breaks; undefined where it fits. */
export function problemOf(property: FormProperty, value: FormValue): string | undefined {
  const { type = '' } = property.rules;
  switch (type) {
    case 'boolean':
      return typeof value === 'boolean' ? undefined : 'must be true or false';
    case 'number':
    case 'integer':
      return numberProblem(property.rules, value);
    case 'array':
      return listProblem(property, value);
    case 'string':
      return textProblem(property, value);
    default:
      return undefined;
  }
}

function numberProblem({ type, minimum, maximum }: Rules, value: FormValue): string | undefined {
  if (typeof value !== 'number') return 'must be a number';
  if (type === 'integer' && !Number.isInteger(value)) return 'must be a whole number';
  if (minimum !== undefined && value < minimum) return `must be at least ${minimum}`;
  return maximum !== undefined && value > maximum ? `must be at most ${maximum}` : undefined;
}

const isChoice = ({ choices }: FormProperty, text: string): boolean =>
  choices === undefined || choices.some(({ value }) => value === text);

function listProblem(property: FormProperty, value: FormValue): string | undefined {
  const { minItems, maxItems } = property.rules;
  if (!Array.isArray(value)) return 'must be a list';
  if (!value.every((one) => isChoice(property, one))) return 'must have only values of the form';
  if (new Set(value).size < value.length) return 'must not have a value twice';
  if (minItems !== undefined && value.length < minItems) return `must have at least ${minItems} values`;
  return maxItems !== undefined && value.length > maxItems ? `must have at most ${maxItems} values` : undefined;
}

function textProblem(property: FormProperty, value: FormValue): string | undefined {
  if (typeof value !== 'string') return 'must be text';
  if (!isChoice(property, value)) return 'must be a value of the form';
  const { format = '', minLength, maxLength } = property.rules;
  // JSON Schema counts code points.
  const { length } = Array.from(value);
  if (minLength !== undefined && length < minLength) return `must have at least ${minLength} characters`;
  if (maxLength !== undefined && length > maxLength) return `must have at most ${maxLength} characters`;
  const known = FORMATS.get(format);
  return known && !known.schema.safeParse(value).success ? `must be ${known.name}` : undefined;
}

const FORMATS: ReadonlyMap<string, { name: string; schema: z.ZodType }> = new Map([
  ['email', { name: 'an e-mail address', schema: z.string().regex(/^[^\s@]+@[^\s@]+$/) }],
  ['uri', { name: 'a URI', schema: z.url() }],
  ['date', { name: 'a date such as 2026-01-31', schema: z.iso.date() }],
  ['date-time', { name: 'a time such as 2026-01-31T12:00:00Z', schema: z.iso.datetime({ offset: true }) }],
]);
