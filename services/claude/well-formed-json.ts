const HALF = /\\u[dD][89a-fA-F]/;
/** Matches every escape of a JSON text, so that none is matched in the middle of another; pairs before halves. */
const ESCAPES = /\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|u[dD][89a-fA-F][\da-fA-F]{2}|.)/gs;
const HALF_LENGTH = 6;
const REPLACEMENT = '\\ufffd';

/**
 * The same value without unpaired surrogates, on which some clients' decoders fail: U+FFFD replaces them. `json`: the
 * JSON text that it was parsed from. Costs one search where there is none.
 */
export const wellFormedValue = <Value>(value: Value, json: string = JSON.stringify(value) ?? ''): Value =>
  HALF.test(json)
    ? (JSON.parse(json.replace(ESCAPES, (part) => (part.length === HALF_LENGTH ? REPLACEMENT : part))) as Value)
    : value;
