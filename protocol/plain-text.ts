/**
 * The only module that makes foreign text safe to show to a person: in a terminal, in a push notification, on a phone.
 * Content (Claude's text, tool inputs and results) is unchanged on the wire; labels are cleaned.
 */

/**
 * Sequences that set colours or move the cursor are removed whole. Each separator must be followed by a number:
 * otherwise a text that a person is asked to allow could hide `;command` in a sequence.
 */
const SEQUENCES = /(?![\n\t])\p{Cc}\[\??(?:\d+(?:[;:]\d+)*)?[A-HJKSTfhlmnsu]/gu;
const CONTROLS = '(?![\\n\\t])\\p{Cc}';
/** Characters that change the order in which text is read. */
const BIDI = '\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069';
/** Zero-width characters make different texts look the same. U+200C and U+200D stay: scripts and emoji need them. */
const INVISIBLE =
  '\\u00ad\\u034f\\u115f\\u1160\\u17b4\\u17b5\\u180e\\u200b\\u2060-\\u2065\\u206a-\\u206f\\u3164\\ufeff\\uffa0\\ufff0-\\ufffb';
/** Invisible letters: legitimate only in flags of regions, they hide text everywhere else. */
const FLAG = '\\u{1f3f4}[\\u{e0030}-\\u{e007a}]{3,6}\\u{e007f}';
const UNSHOWN = new RegExp(`(${FLAG})|${CONTROLS}|[${BIDI}${INVISIBLE}\\u{e0000}-\\u{e007f}]`, 'gu');
const BREAKS = /[\u2028\u2029]/g;
const SPACES = /(?:[^\S\ufeff]|\u0085)+/g;

/** Maximum input characters scanned per displayed character of a line. */
const LOOK = 16;
const MIN_LOOK = 4096;

/** Text that every client's JSON decoder accepts: half a surrogate pair becomes U+FFFD. */
export const wellFormed = (text: string): string => text.replace(/\p{Cs}/gu, '\ufffd');

/**
 * Inert text: no control characters (line ends and tabs stay), escape sequences, direction marks, invisible characters
 * or half characters. Text between control characters stays: a text must not be able to hide a part of itself from a
 * person who is asked to allow it.
 */
export const plainText = (text: string): string =>
  wellFormed(text).replace(SEQUENCES, '').replace(BREAKS, '\n').replace(UNSHOWN, '$1');

/**
 * The whole text, with everything that a person would not see as its code (`⟨U+202E⟩`): for a command, a change or a file
 * that is judged by what is seen of it. Line ends are one character.
 */
export const visibleText = (text: string): string =>
  wellFormed(text)
    .replaceAll('\r\n', '\n')
    .replace(UNSHOWN, (unshown, flag: string | undefined) => flag ?? codesOf(unshown));

const codesOf = (text: string): string =>
  Array.from(text, (one) => `⟨U+${(one.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}⟩`).join('');

/** `plainText` in one line of at most `max` code points; an ellipsis marks a cut. */
export function plainLine(text: string, max = Number.POSITIVE_INFINITY): string {
  const looked = max === Number.POSITIVE_INFINITY ? text : text.slice(0, Math.max(MIN_LOOK, max * LOOK));
  const line = plainText(looked.replace(SPACES, ' ')).replace(SPACES, ' ').trim();
  if (line.length <= max) return line;
  const characters = Array.from(line);
  return characters.length > max ? `${characters.slice(0, Math.max(0, max - 1)).join('')}…` : line;
}

/**
 * The beginning of a text, at most `max` UTF-16 units, without splitting a surrogate pair: the only function that cuts
 * texts for a record, an error or a page. (`fitText` of pushes keeps whole graphemes, since a person sees its cuts.)
 */
export const cutText = (text: string, max: number): string =>
  text.length <= max ? text : text.slice(0, Math.max(0, max)).replace(/[\ud800-\udbff]$/, '');

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
