import * as z from 'zod';
import { CLIENT_FRAMES, type ClientFrame, type ClientFrameType } from './client-frames.js';
import { CompanionError, invalid } from './error-codes.js';
import { brokenJsonBound, parseJson } from './json.js';
import { MAX_CLIENT_FRAME_OUTSIDE_STRINGS, MAX_REQUEST_ID } from './limits.js';
import { cutText, findHalfCharacter } from './plain-text.js';

/** A parsed frame, or the error that answers it; `requestId` is present whenever it was readable. */
export type ParsedFrame =
  | { ok: true; frame: ClientFrame }
  | { ok: false; requestId: string | null; error: CompanionError };

export const envelopeSchema = z.object({
  type: z.string().min(1).max(64),
  requestId: z.string().min(1).max(MAX_REQUEST_ID).nullish().describe('Comes back with the answer.'),
  timestamp: z.string().max(64).nullish().describe('Ignored.'),
  data: z.record(z.string(), z.unknown()).nullish().describe('`{}` when absent.'),
});

/** Options for parsing client input: error messages in plain words. */
export const PLAIN = { error: plainRule };

const BOUNDS = { outsideStrings: MAX_CLIENT_FRAME_OUTSIDE_STRINGS };

/** The answer to a client's binary frame: this version has none, not even for text. */
export const BINARY_FRAME: ParsedFrame = {
  ok: false,
  requestId: null,
  error: invalid('frame', 'must be a text frame, not a binary one'),
};

/** Parses one text frame of a client. Never throws. Refuses frames that would be slow to parse before parsing them. */
export function parseClientFrame(text: string): ParsedFrame {
  const broken = brokenJsonBound(text, BOUNDS);
  if (broken !== undefined) return { ok: false, requestId: glimpseRequestId(text), error: invalid('frame', broken) };
  const raw = parseJson(text);
  if (raw === undefined) return { ok: false, requestId: null, error: invalid('frame', 'must be JSON') };
  const requestId = readRequestId(raw);
  const half = halfCharacterError(raw, text, 'frame');
  if (half) return { ok: false, requestId, error: half };
  const envelope = envelopeSchema.safeParse(raw, PLAIN);
  if (!envelope.success) return { ok: false, requestId, error: toCompanionError(envelope.error, 'frame') };
  const { type, data } = envelope.data;
  if (!isFrameType(type)) {
    return { ok: false, requestId, error: invalid('type', 'must be a frame type of this protocol') };
  }
  const parsed = CLIENT_FRAMES[type].safeParse(data ?? {}, PLAIN);
  if (!parsed.success) return { ok: false, requestId, error: toCompanionError(parsed.error, 'data') };
  return { ok: true, frame: { type, requestId, data: parsed.data } as ClientFrame };
}

const isFrameType = (type: string): type is ClientFrameType => Object.hasOwn(CLIENT_FRAMES, type);

const REQUEST_ID = /"requestId"\s*:\s*"([^"\\]{1,128})"/;
const GLIMPSED = 1024;

/** The request id of an unparsed frame, if it precedes or follows all nested values. */
export function glimpseRequestId(text: string): string | null {
  const flat = /[[{]/.exec(text.slice(text.indexOf('{') + 1, GLIMPSED));
  const head = text.slice(0, flat ? text.indexOf('{') + 1 + flat.index : GLIMPSED);
  const end = text.slice(-GLIMPSED).trimEnd().slice(0, -1);
  const tail = end.slice(Math.max(end.lastIndexOf('}'), end.lastIndexOf(']')) + 1);
  return REQUEST_ID.exec(head)?.[1] ?? REQUEST_ID.exec(tail)?.[1] ?? null;
}

const HALF = /\p{Cs}/u;

function readRequestId(raw: unknown): string | null {
  if (typeof raw !== 'object' || raw === null || !('requestId' in raw)) return null;
  const { requestId } = raw;
  return typeof requestId === 'string' && requestId.length <= MAX_REQUEST_ID && !HALF.test(requestId)
    ? requestId
    : null;
}

/** The first problem of a failed parse, as an error with field and rule. `whole` names the value itself. */
export function toCompanionError(error: z.ZodError, whole: string): CompanionError {
  const found = error.issues[0];
  if (!found) return invalid(whole, 'is not valid');
  const unknown = found.code === 'unrecognized_keys' ? found.keys.slice(0, 1) : [];
  const path = [...found.path, ...unknown];
  // A key can be an empty string.
  const field = shorten(path.join('.')) || whole;
  const issue = (found.code === 'invalid_key' && found.issues[0]) || found;
  const rule = unknown.length > 0 ? 'is not known' : issue.message;
  const tooLarge = issue.code === 'custom' && issue.params?.tooLarge === true;
  return tooLarge
    ? new CompanionError('PAYLOAD_TOO_LARGE', `${field}: ${rule}`, { field, rule })
    : invalid(field, rule);
}

const MAX_FIELD_NAME = 200;

/** A record's keys are chosen by the client and can be long; errors stay short and valid UTF-8. */
const shorten = (name: string) => (name.length > MAX_FIELD_NAME ? `${cutText(name, MAX_FIELD_NAME)}…` : name);

/** The error for half a surrogate pair anywhere in a value parsed from `json`; undefined when there is none. */
export function halfCharacterError(value: unknown, json: string, whole: string): CompanionError | undefined {
  const path = findHalfCharacter(value, json);
  if (!path) return undefined;
  const [first, ...rest] = path;
  const shown = first === 'data' && whole === 'frame' && rest.length > 0 ? rest : path;
  return invalid(shown.length > 0 ? shorten(shown.join('.')) : whole, 'must not hold half of a surrogate pair');
}

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
function plainRule(issue: Issue): string {
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
