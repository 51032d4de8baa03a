const HALF = /\\u[dD][89a-fA-F]/;
/** Every escape of a JSON text, so that one is never looked for in the middle of another; pairs before halves. */
const ESCAPES = /\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|u[dD][89a-fA-F][\da-fA-F]{2}|.)/gs;
const HALF_LENGTH = 6;
const REPLACEMENT = '\\ufffd';

/**
 * The same value without half surrogate pairs, which some clients' decoders take for the end of all things: U+FFFD stands
 * in their place. `json`: the JSON text that it was parsed of. Costs one search where there is none.
 */
export const wellFormedValue = <Value>(value: Value, json: string = JSON.stringify(value) ?? ''): Value =>
  HALF.test(json)
    ? (JSON.parse(json.replace(ESCAPES, (part) => (part.length === HALF_LENGTH ? REPLACEMENT : part))) as Value)
    : value;
