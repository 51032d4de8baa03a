/** Texts that fit into what a push service carries. */
import { cutText } from '../../protocol/cut-text.js';

/** Stands at the end of what was cut. */
const ELLIPSIS = '…';
const ELLIPSIS_BYTES = Buffer.byteLength(ELLIPSIS);

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** Bytes that the text takes inside the quotes of a JSON string. */
export const jsonBytes = (text: string): number => Buffer.byteLength(JSON.stringify(text)) - 2;

/**
 * The text, or the longest beginning of it, in whole graphemes and with an ellipsis, that takes at most `maxBytes`
 * within JSON; empty where not even one grapheme fits. The text must be well formed.
 */
export function fitText(text: string, maxBytes: number): string {
  // Each UTF-16 unit takes a byte at least, so what lies further back cannot fit; segmenting it would take time.
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
