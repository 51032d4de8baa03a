/** The rules of a schema in words: what its checks would tell a client. */
import type * as z from 'zod';

export type Schema = z.core.$ZodType;
export type AnyDef = z.core.$ZodTypes['_zod']['def'];
export const defOf = (schema: Schema): AnyDef => (schema as z.core.$ZodTypes)._zod.def;

/** A schema without what says whether a value can be absent. */
export interface Presence {
  inner: Schema;
  isOptional: boolean;
  isNullable: boolean;
  fallback?: unknown;
}

/** Looks through `optional`, `nullable`, `default` and `nonoptional`. */
export function presenceOf(schema: Schema): Presence {
  const def = defOf(schema);
  if (def.type === 'optional') return { ...presenceOf(def.innerType), isOptional: true };
  if (def.type === 'nullable') return { ...presenceOf(def.innerType), isNullable: true };
  if (def.type === 'default') return { ...presenceOf(def.innerType), isOptional: true, fallback: def.defaultValue };
  return { inner: schema, isOptional: false, isNullable: false };
}

/** Every text of a client has these bounds, so they are defined once. */
const IMPLIED = new Set(['at most 64 KiB']);

/** The rules of a value, without those that its type says. */
export function rulesOf(schema: Schema): string[] {
  const def = defOf(schema);
  const isText = def.type === 'string';
  const own = 'check' in def ? [ruleOf(def as CheckDef, isText)] : [];
  const checks = (def.checks ?? []).map((check) => ruleOf(check._zod.def as CheckDef, isText));
  const each = def.type === 'array' ? rulesOf(def.element).filter((rule) => rule !== 'not empty') : [];
  const rules = [...own, ...rangeOf(def), ...checks, ...each.map((rule) => `each ${rule}`)].filter(
    (rule) => rule !== undefined && !IMPLIED.has(rule),
  );
  return [...new Set(rules as string[])];
}

interface CheckDef {
  check: string;
  format?: string;
  error?: (issue: object) => unknown;
  path?: readonly PropertyKey[];
  maximum?: number;
  minimum?: number;
  length?: number;
  value?: number;
}

function ruleOf(def: CheckDef, isText: boolean): string | undefined {
  const told = def.error?.({});
  if (typeof told === 'string') return inWords([...(def.path ?? []).map(String), told].join(' '));
  switch (def.check) {
    case 'max_length':
      return `at most ${grouped(def.maximum ?? 0)}${isText ? ' characters' : ''}`;
    case 'min_length':
      return def.minimum === 1 ? 'not empty' : `at least ${def.minimum}`;
    case 'length_equals':
      return `exactly ${def.length}`;
    default:
      return undefined;
  }
}

function rangeOf({ checks = [] }: AnyDef): string[] {
  const bound = (kind: string) =>
    checks.map((check) => check._zod.def as CheckDef).find(({ check }) => check === kind)?.value;
  const [min, max] = [bound('greater_than'), bound('less_than')];
  if (max !== undefined) return [`${grouped(min ?? 0)} to ${grouped(max)}`];
  return min === undefined || min === 0 ? [] : [`from ${grouped(min)}`];
}

const KIB = 1024;
export const sizeOf = (bytes: number): string =>
  bytes % (KIB * KIB) === 0
    ? `${bytes / (KIB * KIB)} MiB`
    : bytes % KIB === 0
      ? `${bytes / KIB} KiB`
      : `${grouped(bytes)} bytes`;
export const grouped = (count: number): string => count.toLocaleString('en');

const inWords = (rule: string): string =>
  rule
    .replace(/^must (be|have) /, '')
    .replace(/^must not be /, 'not ')
    .replace(/(\d+) bytes/g, (_, bytes: string) => sizeOf(Number(bytes)))
    .replace(/(?<!\d)\d{4,}(?!\d)/g, (digits) => grouped(Number(digits)));
