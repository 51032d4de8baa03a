/** Halves of surrogate pairs: no text of UTF-8 holds one, but an escape in JSON can, and decoders of clients refuse it. */

const ESCAPED_SURROGATE = /\\u[dD][89a-fA-F]/;
const HALF = /\p{Cs}/u;

interface Place {
  key: string;
  within: Place | undefined;
}

/**
 * The path of the first text or key in a parsed JSON value that has half of a surrogate pair; undefined where there is
 * none. `json` is what it was parsed from: nearly always a look at that suffices. Not recursive, since the value may be
 * nested as deep as its text is long.
 */
export function findHalfCharacter(value: unknown, json: string): string[] | undefined {
  if (!ESCAPED_SURROGATE.test(json)) return undefined;
  const left: { value: unknown; place: Place | undefined }[] = [{ value, place: undefined }];
  for (let next = left.pop(); next; next = left.pop()) {
    const { value: part, place } = next;
    if (isHalved(part)) return pathOf(place);
    if (typeof part !== 'object' || part === null) continue;
    for (const [key, inner] of Object.entries(part)) left.push({ value: inner, place: { key, within: place } });
  }
  return undefined;
}

/** The text itself, or a key of the object. */
const isHalved = (part: unknown): boolean =>
  typeof part === 'string'
    ? HALF.test(part)
    : typeof part === 'object' && part !== null && Object.keys(part).some((key) => HALF.test(key));

function pathOf(place: Place | undefined): string[] {
  const path: string[] = [];
  for (let at = place; at; at = at.within) path.unshift(at.key);
  return path;
}
