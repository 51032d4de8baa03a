/** Unpaired surrogates: UTF-8 cannot encode them, but JSON escapes can, and clients' decoders refuse them. */

const ESCAPED_SURROGATE = /\\u[dD][89a-fA-F]/;
const HALF = /\p{Cs}/u;

interface Place {
  key: string;
  within: Place | undefined;
}

/**
 * The path of the first text or key with an unpaired surrogate in a parsed JSON value; undefined when there is none.
 * `json` is its source: scanning that is nearly always enough. Not recursive, since the nesting can be as deep as the
 * text is long.
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
