/** Tables of fields from schemas. */

import type { NamedShapes } from './named-shapes.js';
import { type AnyDef, defOf, presenceOf, rulesOf, type Schema } from './schema-rules.js';

export interface TableOptions {
  shapes: NamedShapes;
  /** Rules are only for what a client sends. */
  isInput: boolean;
}

/** The fields of an object schema, with those of its nested objects. */
export function fieldTable(schema: Schema, options: TableOptions): string {
  const rows = rowsOf(schema, options, '');
  const rules = options.isInput ? rulesOf(schema).map((rule) => `\nRule: ${rule}.`) : [];
  if (rows.length === 0) return ['No fields.', ...rules].join('\n');
  return [tableOf(['field', 'type', 'meaning'], rows), ...rules].join('\n');
}

export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`.replace(/\| {2}\|/g, '| |');
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

type Row = [field: string, type: string, meaning: string];

function rowsOf(schema: Schema, options: TableOptions, prefix: string): Row[] {
  const def = defOf(presenceOf(schema).inner);
  if (def.type !== 'object') return [];
  return Object.entries(def.shape).flatMap(([name, field]) => [
    rowOf(`${prefix}${name}`, field, options),
    ...nestedRows(`${prefix}${name}`, field, options),
  ]);
}

function rowOf(path: string, field: Schema, options: TableOptions): Row {
  const { inner, isOptional, isNullable, fallback } = presenceOf(field);
  const type = typeOf(inner, options.shapes) + (isNullable && !isOptional ? ' \\| null' : '');
  const rules = options.isInput ? rulesOf(inner) : [];
  const meaning = [
    descriptionOf(field),
    rules.length > 0 ? `${capitalised(rules.join('; '))}.` : '',
    fallback === undefined ? '' : `Default: \`${JSON.stringify(fallback)}\`.`,
  ];
  return [`\`${path}${isOptional ? '?' : ''}\``, type, meaning.filter(Boolean).join(' ')];
}

function nestedRows(path: string, field: Schema, options: TableOptions): Row[] {
  const { inner } = presenceOf(field);
  const def = defOf(inner);
  if (options.shapes.linkOf(inner) !== undefined) return [];
  if (def.type === 'object') return rowsOf(inner, options, `${path}.`);
  if (def.type === 'array') return nestedRows(`${path}[]`, def.element, options);
  if (def.type === 'record') return nestedRows(`${path}.<key>`, def.valueType, options);
  return [];
}

/** An object of plain values, on one line of code. */
export function inlineShape(schema: Schema): string {
  const def = defOf(schema);
  const shape = def.type === 'object' ? Object.entries(def.shape) : [];
  const fields = shape.map(([name, field]) => {
    const { inner, isOptional } = presenceOf(field);
    return `${name}${isOptional ? '?' : ''}: ${plainTypeOf(defOf(inner))}`;
  });
  return `\`{${fields.join(', ')}}\``;
}

/** The description nearest to the field. */
function descriptionOf(field: Schema): string {
  const own = (field as { description?: string }).description;
  if (own !== undefined) return own;
  const def = defOf(field);
  return 'innerType' in def ? descriptionOf(def.innerType) : '';
}

export const capitalised = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

/** Markdown: code, or the link of a named shape. */
export function typeOf(schema: Schema, shapes: NamedShapes): string {
  const link = shapes.linkOf(schema);
  if (link !== undefined) return link;
  const def = defOf(schema);
  if (def.type === 'array') return joined(typeOf(presenceOf(def.element).inner, shapes), '[]');
  if (def.type === 'record') return joined('map of ', typeOf(presenceOf(def.valueType).inner, shapes));
  if (def.type === 'union') return def.options.map((option) => typeOf(option, shapes)).join(' \\| ');
  return `\`${plainTypeOf(def)}\``;
}

/** One code span where both parts are code. */
const joined = (left: string, right: string): string =>
  left.endsWith('`') && !left.includes('|') ? `${left.slice(0, -1)}${right}\`` : `${left}${right}`;

function plainTypeOf(def: AnyDef): string {
  if (def.type === 'enum') return anyOf(Object.values(def.entries));
  if (def.type === 'literal') return anyOf(def.values);
  if (def.type === 'string') return 'format' in def && def.format === 'datetime' ? 'time' : 'string';
  if (def.type === 'number') return 'format' in def || def.checks?.some(isInteger) ? 'integer' : 'number';
  if (def.type === 'pipe') return plainTypeOf(defOf(def.in));
  return def.type === 'unknown' ? 'any' : def.type;
}

/** Quoted as in TypeScript; a bar inside a table cell has to be escaped. */
const anyOf = (values: readonly unknown[]): string =>
  values.map((value) => (typeof value === 'string' ? `'${value}'` : String(value))).join(' \\| ');

const isInteger = (check: { _zod: { def: { check: string } } }): boolean => check._zod.def.check === 'number_format';
