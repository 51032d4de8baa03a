import type * as z from 'zod';

type Issue = z.core.$ZodRawIssue;

/** What a type is called in a rule. */
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

/** What there is too much or too little of. */
const UNITS: Readonly<Record<string, string>> = { string: ' characters', array: ' items', set: ' items' };

/**
 * The rule that a value broke, in plain words, for every rule whose schema has no words of its own. Passed to each parse
 * of what a client sends.
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
