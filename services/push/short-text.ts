/** Text for a notification: one line, safe to show, cut between graphemes. */
import { plainLine } from '../../protocol/plain-text.js';

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
const MORE = '…';

/**
 * At most `max` UTF-16 units, and so at most as many graphemes; a cut text ends with an ellipsis. Never splits a
 * grapheme.
 */
export function cutText(text: string, max: number): string {
  if (text.length <= max) return text;
  let end = 0;
  for (const { index, segment } of graphemes.segment(text)) {
    if (index + segment.length > max - MORE.length) break;
    end = index + segment.length;
  }
  return text.slice(0, end).trimEnd() + MORE;
}

/** The text can have any length: only this much of it is read. */
const MAX_LOOK = 4096;

/** The first line with content, at most `max` long; an ellipsis marks further text. Undefined without any content. */
export function firstLine(text: string, max: number): string | undefined {
  const lines = text
    .slice(0, MAX_LOOK)
    .split(/\r\n|[\n\r\u2028\u2029]/)
    .map((line) => plainLine(line))
    .filter((line) => line !== '');
  const [first] = lines;
  if (first === undefined) return undefined;
  const isAll = lines.length === 1 && text.length <= MAX_LOOK;
  return cutText(isAll || first.endsWith(MORE) ? first : `${first} ${MORE}`, max);
}
