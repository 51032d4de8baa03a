import type * as z from 'zod';

type Issue = z.core.$ZodRawIssue;

/** The names of types in rules. */
const NOUNS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

const FORMATS: Readonly<Record<string, string>> = {
  uuid: 'a UUID',
  url: 'a URL',
  base64: 'base64',
  datetime: 'a time such as 2026-01-31T12:00:00.000Z',
};

/** The units that size rules count. */
const UNITS: Readonly<Record<string, string>> = { string: ' characters', array: ' items', set: ' items' };

/**
 * The broken rule in plain words, for every rule whose schema has no message of its own. Passed to each parse of client
 * input.
 */
export function plainRule(issue: Issue): string {
  if (issue.input === undefined) return 'must be given';
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${NOUNS[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.join(', ')}`;
    case 'too_small':
      return issue.minimum === 1 && UNITS[issue.origin]
        ? 'must not be empty'
        : sizeRule(issue.origin, 'least', issue.minimum);
    case 'too_big':
      return sizeRule(issue.origin, 'most', issue.maximum);
    case 'invalid_format':
      return `must be ${FORMATS[issue.format] ?? 'of the form that the protocol describes'}`;
    case 'custom':
    case 'invalid_element':
    case 'invalid_key':
    case 'invalid_union':
    case 'not_multiple_of':
    case 'unrecognized_keys':
      return 'must be as the protocol describes';
  }
}

function sizeRule(origin: string, bound: 'least' | 'most', size: number | bigint): string {
  const unit = UNITS[origin];
  return unit === undefined ? `must be at ${bound} ${size}` : `must have at ${bound} ${size}${unit}`;
}
