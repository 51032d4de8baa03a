/** Texts cut to the limits of push services. */
import { cutText } from '../../protocol/cut-text.js';

/** Marks the end of a cut text. */
const ELLIPSIS = '…';
const ELLIPSIS_BYTES = Buffer.byteLength(ELLIPSIS);

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** Bytes of the text within the quotes of a JSON string. */
export const jsonBytes = (text: string): number => Buffer.byteLength(JSON.stringify(text)) - 2;

/**
 * The text, or its longest prefix of whole graphemes with an ellipsis, that takes at most `maxBytes` within JSON; empty
 * where not even one grapheme fits. The text must be well formed.
 */
export function fitText(text: string, maxBytes: number): string {
  // Each UTF-16 unit takes at least one byte, so later units cannot fit; segmenting them would take time.
  const near = cutText(text, Math.max(0, maxBytes) + 1);
  if (near.length === text.length && jsonBytes(text) <= maxBytes) return text;
  let room = maxBytes - ELLIPSIS_BYTES;
  let end = 0;
  for (const { segment, index } of segmenter.segment(near)) {
    room -= jsonBytes(segment);
    const isTorn = near.length < text.length && index + segment.length === near.length;
    if (room < 0 || isTorn) break;
    end = index + segment.length;
  }
  return end === 0 ? '' : text.slice(0, end) + ELLIPSIS;
}
