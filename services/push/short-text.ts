/** Text for a notification: one line, safe to show, cut between graphemes. */

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
const MORE = '…';

/** Control characters, halves of characters, and what turns the direction of the text that follows. */
const UNSHOWN = /[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu;

/** On one line, without what cannot be shown. */
export const plain = (text: string): string => text.replace(UNSHOWN, ' ').replace(/\s+/g, ' ').trim();

/** At most `max` UTF-16 units, and so not more graphemes either; what was cut ends with an ellipsis. Never half of a grapheme. */
export function cutText(text: string, max: number): string {
  if (text.length <= max) return text;
  let end = 0;
  for (const { index, segment } of graphemes.segment(text)) {
    if (index + segment.length > max - MORE.length) break;
    end = index + segment.length;
  }
  return text.slice(0, end).trimEnd() + MORE;
}

/** A text of any length may come: no more of it than this is looked at. */
const MAX_LOOK = 4096;

/** The first line that says something, at most `max` long; an ellipsis tells that there is more. Undefined where nothing is said. */
export function firstLine(text: string, max: number): string | undefined {
  const lines = text
    .slice(0, MAX_LOOK)
    .split(/\r\n|[\n\r\u2028\u2029]/)
    .map(plain)
    .filter((line) => line !== '');
  const [first] = lines;
  if (first === undefined) return undefined;
  const isAll = lines.length === 1 && text.length <= MAX_LOOK;
  return cutText(isAll || first.endsWith(MORE) ? first : `${first} ${MORE}`, max);
}
